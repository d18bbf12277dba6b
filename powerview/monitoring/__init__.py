"""The installation, seen from outside its lanes: `check` looks at all of it and changes nothing."""
