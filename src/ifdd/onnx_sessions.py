"""Sessions of ONNX Runtime, which is in the extra ``[onnx]``."""

from typing import Any


def open_session(model: str | bytes, threads: int, *, optimize: bool = True, plan_memory: bool = True) -> Any:
    """Return a session that runs a network on the CPU.

    Args:
        model: path or content of the .onnx file.
        threads: number of threads of one run.
        optimize: rewrite the network for speed, which takes a moment.
        plan_memory: keep a plan of the memory for each size of input: right where the sizes are few.

    Raises:
        Exception: of ONNX Runtime, whose errors have no common class: the file is damaged or of a newer version.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = plan_memory
    options.log_severity_level = 3  # errors alone; they are raised, too
    # Threads that wait would spin, which slows the stages of recognition and every other program down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
