"""What a user holds: ``gl.fit``, ``gl.Fit`` and ``gl.load``, above everything they lead to."""
