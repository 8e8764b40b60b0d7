from .detection import Detections as Detections, Detector as Detector, load_detector as load_detector

__all__ = ["Detections", "Detector", "load_detector"]
