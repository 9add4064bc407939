"""The rendered rig: a head in three dimensions, ICT-FaceKit's, painted, lit and rendered with OpenGL."""
