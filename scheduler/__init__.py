"""The daemon: schedule, clock, runs, admin server. It knows mechanism and no business."""
