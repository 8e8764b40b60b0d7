from .detector import (
    MARKS as MARKS,
    Detections as Detections,
    Detector as Detector,
    default_detector as default_detector,
    detector_names as detector_names,
    load_detector as load_detector,
)

__all__ = ["MARKS", "Detections", "Detector", "default_detector", "detector_names", "load_detector"]
