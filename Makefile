# One virtual environment in the checkout; every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What the rendered rig needs of the system; installed where that is allowed, otherwise its tests are skipped.
EGL := libegl1 libgl1-mesa-dri
RENDERER := dpkg -s $(EGL) > /dev/null 2>&1 || (apt-get update && apt-get install --yes $(EGL)) > /dev/null 2>&1

# The browser in which the page of 'ifdd app' is tested; likewise.
BROWSER := command -v chromium > /dev/null 2>&1 || (apt-get update && apt-get install --yes chromium) > /dev/null 2>&1

# Files that the user names, exactly as written: through the environment, because a name may contain quotes.
export VIDEO_FILE := $(value VIDEO)
export RIG_DATA_FILE := $(value RIG_DATA)
export DETECTOR_FILE := $(value DETECTOR)

.PHONY: help files demo weights test check format bench docs dist clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A stamp: set up again when the requirements change.
$(VENV)/.ready: pyproject.toml constraints.txt | files
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@$(RENDERER) || echo 'No OpenGL on EGL: rendered faces and their tests are left out (Debian: apt install $(EGL))'
	@$(BROWSER) || echo 'No chromium: the test of the page in the browser is left out (Debian: apt install chromium)'
	@touch $@

# Before the set-up, which takes minutes. An address (rtsp://, https://) can only be opened later.
files:
	@check() { case "$$2" in ''|*://*) ;; *) test -e "$$2" || \
		{ printf 'make: %s does not exist; correct %s=\n' "$$2" "$$1" >&2; exit 2; } ;; esac; }; \
	check VIDEO "$$VIDEO_FILE"; check RIG_DATA "$$RIG_DATA_FILE"; check DETECTOR "$$DETECTOR_FILE"

DETECTION := $${DETECTOR_FILE:+--detector-model "$$DETECTOR_FILE"}

# Every step resumes where it was interrupted; `rm -r demo` starts over.
demo: files $(VENV)/.ready  ## generate, train, evaluate and recognise, end to end (VIDEO=path adds a video of yours, DETECTOR=path names YuNet's file)
	@echo 'First, the bundled model reads a person whom it has never seen$(if $(VIDEO), and your video):'
	$(BIN)/ifdd recognize docs/images/rendered_story.mp4 $${VIDEO_FILE:+"$$VIDEO_FILE"} --formats json,csv,png --out demo/first \
		$(DETECTION)
	@echo
	@echo 'Then, a model is trained from scratch on the built-in benchmark, in about ten minutes:'
	$(BIN)/ifdd synth demo/synth --clips 1800 --seed 1
	$(BIN)/ifdd train configs/synth_tiny.yaml --data.manifest demo/synth/manifest.csv --out demo/training --resume
	$(BIN)/ifdd evaluate demo/training/best.safetensors demo/synth/manifest.csv --out demo/evaluation
	$(BIN)/ifdd synth demo/story --seed 2 --story happy,neutral,surprise,angry,sad,disgust,fear
	$(BIN)/ifdd recognize demo/story/story.mp4 --checkpoint demo/training/best.safetensors --out demo/recognition \
		$(DETECTION)
	@echo
	@cat demo/evaluation/evaluation.md
	@echo
	@echo 'The generated clips and their truth       demo/synth/manifest.csv, demo/synth/clips/'
	@echo 'The trained model, recipe, logs           demo/training/best.safetensors, recipe.yaml, csv/, tensorboard/'
	@echo 'The evaluation on unseen people           demo/evaluation/'
	@echo 'The long video and what really happens    demo/story/story.mp4, story.json'
	@echo 'What was recognised in it                 demo/recognition/story.json, story.csv'
	@echo 'What the bundled model read at first      demo/first/'

# The checkpoint in the box, from openly licensed assets alone. Every step resumes where it was interrupted.
# With AMX: make weights TRAINING='--optimization.precision bf16-mixed --optimization.channels_last true'; with a GPU, add
# --data.workers 12 --data.cache false. The last epoch counts: which of them reads rendered people best, says little about
# real ones. With fewer CLIPS, add --optimization.ema_decay 0.99: the averaged weights would still be the random ones.
# LARGE=1 trains ifdd_s3d on the same clips, for which take a GPU.
CLIPS ?= 10800
TRAINING ?=
LARGE ?=
RECIPE := configs/face.yaml $(if $(LARGE),--config configs/face_large.yaml)
WORK := weights$(if $(LARGE),/large)
CHECKPOINT := $(if $(LARGE),weights/ifdd_face_large.safetensors,src/ifdd/model/weights/bundled/ifdd_face.safetensors)
RENDERED := --rig rendered --frames 8 --fps 5 $${RIG_DATA_FILE:+--rig-data "$$RIG_DATA_FILE"}
ALIGNED := --alignment landmarks --face-size $(if $(LARGE),128,96) --search-seconds 0.4 $(DETECTION)
weights: files $(VENV)/.ready  ## make the bundled checkpoint ifdd_face in hours (RIG_DATA=, DETECTOR= name files that are not downloaded)
	$(BIN)/ifdd synth weights/rendered --clips $(CLIPS) $(RENDERED) --preset lifelike --seed 401 --identities 1500 \
		--validation 0.08 --test 0.08
	$(BIN)/ifdd prepare manifest weights/rendered/manifest.csv $(WORK)/faces $(ALIGNED)
	$(BIN)/ifdd train $(RECIPE) --data.manifest $(WORK)/faces/manifest.csv --out $(WORK)/training --resume $(TRAINING)
	$(BIN)/ifdd train $(RECIPE) --config configs/face_second.yaml --data.manifest $(WORK)/faces/manifest.csv \
		--model.weights $(WORK)/training/last.safetensors --out $(WORK)/second --resume $(TRAINING)
	$(BIN)/ifdd synth weights/habits --clips $$(( $(CLIPS) * 2 / 3 )) $(RENDERED) --preset lifelike --seed 403 --identities 1100 \
		--validation 0.05 --test 0 --behaviour.squint 0.3 --behaviour.raised_brows 0.2 --scene.lens '[6, 60]'
	$(BIN)/ifdd prepare manifest weights/habits/manifest.csv $(WORK)/habits_faces $(ALIGNED)
	$(BIN)/ifdd train $(RECIPE) --config configs/face_third.yaml --data.manifest $(WORK)/habits_faces/manifest.csv \
		--model.weights $(WORK)/second/last.safetensors --out $(WORK)/third --resume $(TRAINING)
	$(BIN)/ifdd synth weights/others --clips 400 $(RENDERED) --preset wild --behaviour.repertoire lifelike --seed 301 \
		--validation 0 --test 0.9
	$(BIN)/ifdd prepare manifest weights/others/manifest.csv $(WORK)/others_faces $(ALIGNED)
	$(BIN)/ifdd calibrate $(WORK)/third/last.safetensors $(WORK)/others_faces/manifest.csv --subset test \
		--out $(WORK)/calibrated.safetensors
	$(BIN)/ifdd convert $(WORK)/calibrated.safetensors $(CHECKPOINT) --half --class-weights '{sad: 2, surprise: 0.75, disgust: 0.6}'
	$(BIN)/ifdd evaluate $(if $(LARGE),$(CHECKPOINT),ifdd_face) $(WORK)/faces/manifest.csv --by skin_tone,age,glasses,beard,hair --out $(WORK)/evaluation

test: $(VENV)/.ready  ## run the tests, apart from the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m 'not slow'

check: $(VENV)/.ready  ## format, lint, types and all tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

format: $(VENV)/.ready  ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# On an idle machine, in about ten minutes. BENCH='--parts inference --batches 1' measures a part.
BENCH ?=
bench: $(VENV)/.ready  ## measure speed and memory of the model: results/bench_MACHINE.json, docs/performance.md
	$(BIN)/python benchmarks/speed.py $(BENCH)
	$(BIN)/python docs/build.py

docs: $(VENV)/.ready  ## fill in the generated parts of README.md and docs/, run changed notebooks, build the site in site/
	$(BIN)/python docs/build.py
	$(BIN)/python docs/notebooks.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Into a fresh environment of every supported Python on this machine; PYTHONS='python3.11 python3.13' names them.
PYTHONS ?=
dist: $(VENV)/.ready  ## build wheel and sdist, check them, and use the wheel in fresh environments: dist/, results/package.json
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dist]'
	$(BIN)/python benchmarks/package.py $(if $(PYTHONS),--python $(PYTHONS))
	$(BIN)/python docs/build.py

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) demo weights runs build dist site .pytest_cache .mypy_cache .ruff_cache src/*.egg-info
