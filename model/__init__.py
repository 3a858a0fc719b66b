"""Detectors, losses, the training loop, and metrics as counts; needs torch, and no cluster, Ray or Hydra.

    settings, losses/settings    what can be set; they import without torch
    backbone, heads, graph, norm, embedding, detector    pictures -> tokens -> one embedding per AU -> logits
    losses/                      one file per loss: free functions on tensors, checked against plain loops
    companion, methods           extra parts of a method during training, and the table of methods
    fit, checkpoint, evaluate    one epoch at a time, resumable; scoring and the linear evaluation
    metrics                      counts by subject and AU, and every metric of them

Settings <- losses and layers <- methods <- fit; `losses` import none of the others but `companion` and the settings.
"""
