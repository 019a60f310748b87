#!/bin/sh
# The experiment of docs/results.md on moving shapes: videos, encoders, selection, confirmation, rivals, pages
#
#   sh benchmarks/evidence.sh FOLDER             # hours on one core; a second call resumes
#   SMOKE=1 sh benchmarks/evidence.sh FOLDER     # everything in small, in minutes
#
# The rows are FOLDER/*.csv. `cp FOLDER/*.csv docs/data/ && make results` takes them over into the pages.
set -eu
out=$1
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
if [ -n "${SMOKE:-}" ]; then
    videos=8 epochs_labels=1 epochs_rspnet=1 epochs_videomae=1 batch=8 queue=16 fresh=2 few=2 chosen="0 1" few_seeds="0 1" wide="0.1 0.2" rates="0.1 0.2"
    five=1 twenty=1 long=2 small="--num_train_epochs 1 --label_fractions 1 --seeds 0 1 --learning_rates 0.1 0.2"
else
    videos=0 epochs_labels=30 epochs_rspnet=25 epochs_videomae=60 batch=32 queue=256 fresh=40 few=10 chosen="0 1 2 3 4" rates="0.1 0.2 0.6"
    few_seeds="0 1 2" wide="0.02 0.06 0.1 0.2 0.35 0.6 1.0"
    five=0.04167 twenty=0.16667 long=100 small=
fi

python - "$out" "$videos" <<'PYTHON'
import sys
from pathlib import Path

from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEVideoProcessor, set_seed

from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS, LIST_NAME, PRETRAINING_MOTIONS, write_moving_shapes
from hf_selfdistill.models.loading import load_classifier

sets = {  # folder: motions, videos per motion, frames, seed
    "six_motions": (FINETUNING_MOTIONS, 200, 20, 1),
    "reference": (PRETRAINING_MOTIONS, 40, 20, 2),
    "labelled": (PRETRAINING_MOTIONS, 100, 64, 3),
    "unlabelled": (PRETRAINING_MOTIONS, 60, 40, 4),
}
for name, (motions, videos, frames, seed) in sets.items():
    folder = Path(sys.argv[1]) / name
    if not (folder / LIST_NAME).is_file():
        write_moving_shapes(folder, motions, int(sys.argv[2]) or videos, frames, 32, seed)

small = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
decoder = {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2, "decoder_num_hidden_layers": 1}
set_seed(0)
model = VideoMAEForVideoClassification(VideoMAEConfig(image_size=16, patch_size=4, num_frames=8, **small, **decoder))
processor = VideoMAEVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
for part in (model, processor):
    part.save_pretrained(Path(sys.argv[1]) / "videomae_start")
set_seed(0)
network = "hidden_sizes=8,16,32,64,depths=1,1,1,1,num_frames=8,image_size=16"
for part in load_classifier("c3d", list("abcdefgh"), network):
    part.save_pretrained(Path(sys.argv[1]) / "random")
PYTHON

network="hidden_sizes=8,16,32,64,depths=1,1,1,1,num_frames=8,image_size=16"
common="--per_device_train_batch_size $batch --optim adamw_torch --epoch_lr_schedule cosine --save_strategy no --seed 0"
[ -f "$out/labels/run.json" ] || python scripts/finetune.py --model_name_or_path c3d --config_overrides "$network" \
    --dataset moving_shapes --dataset_root "$out/labelled" --distill_weight 0 --learning_rate 0.003 --flip_probability 0 \
    --min_crop_area 0.5 --num_train_epochs "$epochs_labels" $common --output_dir "$out/labels"
[ -f "$out/rspnet/run.json" ] || python scripts/pretrain.py --objective rspnet --model_type c3d \
    --config_overrides "$network" --dataset videos --dataset_root "$out/unlabelled" --learning_rate 0.002 \
    --weight_decay 1e-4 --max_grad_norm 0 --queue_size "$queue" --key_momentum 0.99 \
    --num_train_epochs "$epochs_rspnet" $common --output_dir "$out/rspnet"
[ -f "$out/videomae/run.json" ] || python scripts/finetune.py --model_name_or_path "$out/videomae_start" \
    --dataset moving_shapes --dataset_root "$out/labelled" --distill_weight 0 --learning_rate 0.002 --flip_probability 0 \
    --min_crop_area 0.5 --num_train_epochs "$epochs_videomae" $common --output_dir "$out/videomae"

# $1: encoder, $2: file of rows, $3: config, then flags of the grid
runs() {
    encoder=$1 rows=$2 config=$3
    shift 3
    python benchmarks/evidence.py "$out/$rows.csv" --config "configs/evidence/$config.yaml" \
        --model_name_or_path "$out/$encoder" --dataset_root "$out/six_motions" --reference_root "$out/reference" \
        --output_dir "$out/runs" $small "$@"
}

# Two seeds of the whole grid; five at the rates that were best or next to the best on the validation part.
runs labels selection selection --seeds 0 1 --and --seeds $chosen --learning_rates 0.06 0.1 0.2 --distill_weights 0 1 10

# The confirmation, fixed before it ran: 40 fresh seeds for plain fine-tuning and for self-distillation, each at its best
# rate, and ten of the seeds for plain fine-tuning at the rate of self-distillation.
runs labels confirmation selection --seeds $(seq 1000 $((999 + fresh))) --learning_rates 0.1 --distill_weights 0 \
    --and --learning_rates 0.2 --distill_weights 10 \
    --and --learning_rates 0.2 --distill_weights 0 --seeds $(seq 1000 $((999 + few)))

# The rivals. WiSE-FT averages the encoder, and the head that starts from a linear probe.
runs labels rivals rivals
runs labels rivals selection --seeds $chosen --learning_rates $rates --regularizers wise_ft --head_init linear_probe \
    --distill_weights 0
runs labels rivals selection --seeds $chosen --learning_rates $rates --teacher_update frozen --distill_weights 1 10 100
runs labels rivals selection --seeds $chosen --learning_rates 0.2 0.35 --teacher_update frozen --distill_weights 0.1 0.3 1 3
runs labels rivals selection --seeds $chosen --learning_rates 0.1 0.2 --head_init linear_probe --distill_weights 1 10
runs labels rivals rivals --seeds $chosen --learning_rates 1.2 --regularizers layerwise_lr_decay encoder_lr \
    --strengths layerwise_lr_decay=0.1,0.25,0.5 encoder_lr=0.03,0.1
runs labels rivals selection --seeds $chosen --distill_weights 3 30 --learning_rates 0.2 0.35 \
    --and --distill_weights 0 1 10 --learning_rates 0.35

# The three rivals with the best validation accuracy, on the same fresh seeds; fixed before they ran.
runs labels rivals_confirmation selection --seeds $(seq 1000 $((999 + fresh))) \
    --teacher_update frozen --distill_weights 3 --learning_rates 0.35 \
    --and --teacher_update epoch --distill_weights 0 --learning_rates 1.2 --regularizers layerwise_lr_decay \
    --strengths layerwise_lr_decay=0.25 \
    --and --teacher_update epoch --distill_weights 0 --learning_rates 0.2 --regularizers lp_ft

# Other encoders, and other numbers of labels: 5 and 20 a class.
runs rspnet selection selection --seeds $few_seeds --learning_rates $wide
runs rspnet rivals selection --seeds $few_seeds --teacher_update frozen --distill_weights 3 10 30 --learning_rates 0.2 0.35 0.6 \
    --and --teacher_update epoch --distill_weights 0 --learning_rates 0.6 1.2 --regularizers layerwise_lr_decay \
    --strengths layerwise_lr_decay=0.25,0.5
runs rspnet confirmation selection --seeds $(seq 1000 $((999 + fresh))) --learning_rates 0.35 --distill_weights 0 \
    --and --learning_rates 0.6 --distill_weights 10 \
    --and --learning_rates 0.6 --distill_weights 0 --seeds $(seq 1000 $((999 + few)))
runs rspnet rivals_confirmation selection --seeds $(seq 1000 $((999 + fresh))) --teacher_update frozen --distill_weights 10 \
    --learning_rates 0.35
# Random weights, a tiny VideoMAE, 5 and 20 labels a class, 100 epochs.
runs random random selection --seeds $chosen --learning_rates 0.06 0.1 0.2 --distill_weights 0
runs videomae transformer transformer --seeds $few_seeds
runs labels few selection --seeds $few_seeds --label_fractions $five --per_device_train_batch_size 10 --distill_weights 0 10 \
    --learning_rates 0.06 0.1 0.2 --and --label_fractions $twenty --per_device_train_batch_size 20
runs labels long selection --seeds $few_seeds --num_train_epochs $long --distill_weights 0 10 --learning_rates 0.06 0.1 0.2

if [ -n "${SMOKE:-}" ]; then
    cp -r docs "$out/docs" && cp "$out"/*.csv "$out/docs/data/"
    DOCS="$out/docs" python benchmarks/results.py
fi
