"""Where tables come from, one kind of source a module; ``gradline.tables.table.open_table`` is the door to all of them."""
