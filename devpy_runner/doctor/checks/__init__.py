"""The built-in checks of `devpy doctor`, each in a module of its own that knows none of the others."""
