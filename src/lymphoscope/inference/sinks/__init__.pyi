from .file_sink import FileSink as FileSink, check_output_file as check_output_file
from .parts_sink import PartsSink as PartsSink, check_output_folder as check_output_folder
from .sink import Chunk as Chunk, RunRecord as RunRecord, Sink as Sink

__all__ = ["Chunk", "FileSink", "PartsSink", "RunRecord", "Sink", "check_output_file", "check_output_folder"]
