"""Tables that many processes read: their spans as tasks of an existing engine, the driver's loop over these, and what may fail."""
