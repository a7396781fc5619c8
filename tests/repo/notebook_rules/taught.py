"""The definitions that are taught, and the lesson that derives each.

A name whose home lesson exists has exactly one `final=` cell, there or, where an exercise asks for
it, in the solution. The others wait.
"""

from itertools import chain

from nbformat import NotebookNode
from notebook_outputs import code_cells

from .reading import final_tags, is_naive

TAUGHT = {
    "gemma3_edu.model.layers:TokenEmbedding": "01",
    "gemma3_edu.model.layers:RMSNorm": "02",
    "gemma3_edu.model.attention:attend": "03",
    "gemma3_edu.model.rope:rope_table": "04",
    "gemma3_edu.model.rope:apply_rope": "04",
    "gemma3_edu.model.masks:causal": "05",
    "gemma3_edu.model.masks:within_window": "05",
    "gemma3_edu.model.attention:attend_fused": "06",
    "gemma3_edu.model.attention:Attention": "06",
    "gemma3_edu.model.layers:GatedMLP": "07",
    "gemma3_edu.model.gemma3:Block": "07",
    "gemma3_edu.model.cache:_extend": "08",
    "gemma3_edu.model.cache:_grown": "08",
    "gemma3_edu.study.cost:cache_bytes": "08",
    "gemma3_edu.study.cost:_stored": "08",
    "gemma3_edu.model.gemma3:Decoder": "09",
    "gemma3_edu.study.cost:parameters": "09",
    "gemma3_edu.study.cost:parameters_by_part": "09",
    "gemma3_edu.generation.sampling:keep_top_k": "10",
    "gemma3_edu.generation.sampling:keep_top_p": "10",
    "gemma3_edu.generation.generate:_steps": "10",
    "gemma3_edu.generation.generate:generate": "10",
    "gemma3_edu.model.vision:VisionAttention": "11",
    "gemma3_edu.model.vision:VisionMLP": "11",
    "gemma3_edu.model.vision:VisionBlock": "11",
    "gemma3_edu.model.vision:VisionEncoder": "11",
    "gemma3_edu.train.losses:sigmoid_pair_loss": "11",
    "gemma3_edu.model.vision:VisionProjector": "12",
    "gemma3_edu.model.masks:same_image": "12",
    "gemma3_edu.model.masks:not_padding": "05",
    "gemma3_edu.model.masks:attention_mask": "05",
    "gemma3_edu.prompt.images:pan_and_scan": "13",
    "gemma3_edu.model.gemma3:Gemma3": "14",
    "gemma3_edu.hub.weights:our_name": "14",
    "gemma3_edu.hub.weights:hub_name": "14",
    "gemma3_edu.hub.weights:export_weights": "14",
    "gemma3_edu.study.cost:WeightFormat": "16",
    "gemma3_edu.study.cost:_matrices": "16",
    "gemma3_edu.study.cost:_text_flops": "16",
    "gemma3_edu.study.cost:_pairs": "16",
}

HOMES = set(TAUGHT.values())


def taught_complaints(lessons: dict[str, list[NotebookNode]], taught: dict[str, str]) -> list[str]:
    """What is wrong with the `final=` tags of all lessons and their solutions, by number."""
    found: dict[str, list[str]] = {}
    for number, notebooks in lessons.items():
        for cell in chain.from_iterable(map(code_cells, notebooks)):
            for module, name in final_tags(cell):
                found.setdefault(f"{module}:{name}", []).append(number)
    out = []
    for what, home in taught.items():
        places = found.get(what, [])
        due = [home] if home in lessons else []
        if places != due:
            out.append(f"{what} has final= cells in {places}, should have one in each of {due}")
    for what in sorted(set(found) - set(taught)):
        if not is_naive(what):
            out.append(f"{what} has a final= cell and no home; add it to TAUGHT")
    return out
