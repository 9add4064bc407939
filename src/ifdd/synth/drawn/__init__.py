"""The drawn rig: a face painted on an atlas, shaded by its relief and wrapped around the head."""
