"""The drawn rig: a face painted on an atlas, lit by its relief, wrapped around a head that turns."""
