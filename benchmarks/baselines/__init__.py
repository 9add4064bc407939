"""Earlier ways to recognise expressions in video, to compare IFDD with; they are not part of the package.

Each is a backbone (``ifdd.model.backbones.Backbone``) that the ablation ``backbone_only`` turns into a classifier. So
all models have the pyramid, the head, the recipe and the training loop in common, and differ in how they see time.
"""
