"""Classify video files.

python scripts/predict.py --model_name_or_path OUT clip.mp4 --top_k 5
"""

from hf_selfdistill.cli.predict import main

if __name__ == "__main__":
    main()
