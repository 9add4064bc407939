"""Long videos that people annotated, cut into labelled clips to train on."""
