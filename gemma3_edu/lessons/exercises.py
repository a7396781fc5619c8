"""The exercises of each lesson: the function that a learner writes, and the check that judges it.

>>> list(EXERCISES["02"])
['my_matrix', 'my_rms_norm', 'my_two_tokens']
"""

from collections.abc import Callable
from typing import Any

from .checks import (
    attention,
    block,
    cache,
    cache_budget,
    full_model,
    gqa,
    image_tokens,
    layers,
    loop,
    masks,
    memory_cost,
    museum,
    needed,
    pan_and_scan,
    parity,
    printed,
    ring,
    rope,
    sampling,
    start,
    strict_reader,
    text_loss,
    text_model,
    tokens,
    vision,
    vision_block,
    window_lengths,
)

EXERCISES: dict[str, dict[str, Callable[[Any], object]]] = {
    "00": {
        "my_token": start.check_token,
        "my_is_right": start.check_is_right,
        "my_two_sums": start.check_two_sums,
    },
    "01": {
        "my_embedding": tokens.check_embedding,
        "my_join": tokens.check_join,
        "my_lost_text": tokens.check_lost_text,
    },
    "02": {
        "my_matrix": layers.check_fold,
        "my_rms_norm": layers.check_rmsnorm,
        "my_two_tokens": layers.check_unmasking,
    },
    "03": {
        "my_query": attention.check_query,
        "my_head": attention.check_head,
        "my_scores": attention.check_scores,
    },
    "04": {
        "my_slow_pairs": rope.check_slow_pairs,
        "my_turn": rope.check_turn,
        "my_merged_positions": rope.check_merged_positions,
    },
    "05": {
        "my_layer_types": masks.check_layer_types,
        "my_mask": masks.check_mask,
        "my_ring_mask": ring.check_ring_mask,
    },
    "06": {
        "my_readers": gqa.check_readers,
        "my_grouped": gqa.check_grouped,
        "my_telling_mask": gqa.check_telling_mask,
    },
    "07": {
        "my_fused_mlp": layers.check_fused_mlp,
        "my_block": block.check_block,
        "my_diagnosis": block.check_diagnosis,
    },
    "08": {
        "my_longest_context": cache_budget.check_longest_context,
        "my_ring": cache.check_ring,
        "my_can_go_back": cache.check_can_rewind,
    },
    "09": {
        "my_forward": text_model.check_forward,
        "my_found": strict_reader.check_unseen,
        "my_problems": strict_reader.check_problems,
    },
    "10": {
        "my_top_p": sampling.check_top_p,
        "my_loop": loop.check_loop,
        "my_draw": sampling.check_draw,
    },
    "11": {
        "my_pair_loss": vision.check_pair_loss,
        "my_block": vision_block.check_vision_block,
        "my_mistake": vision.check_mistake,
    },
    "12": {
        "my_mask": image_tokens.check_mixed_mask,
        "my_loss": text_loss.check_text_loss,
        "my_chunks": image_tokens.check_chunks,
    },
    "13": {
        "my_crop_number": pan_and_scan.check_crop_number,
        "my_crop_places": pan_and_scan.check_crop_places,
        "my_two_sizes": pan_and_scan.check_two_sizes,
    },
    "14": {
        "my_row": full_model.check_row,
        "my_join": full_model.check_join,
        "my_batch": full_model.check_batch,
        "my_needed": needed.check_needed,
    },
    "15": {
        "my_first_divergence": parity.check_first_divergence,
        "my_finding": parity.check_finding,
    },
    "16": {
        "my_largest_batch": memory_cost.check_largest_batch,
        "my_turning_rows": memory_cost.check_turning_rows,
        "my_step_seconds": memory_cost.check_step_seconds,
    },
    "A1": {
        "my_quotient": printed.check_quotient,
        "my_factors": printed.check_factors,
        "my_shape": printed.check_shape,
    },
    "A2": {"my_late_norms": museum.check_late_norms, "my_names": museum.check_names},
    "A3": {"my_shortest": window_lengths.check_shortest},
}
"""Lesson -> its functions in the order of the exercises, with the check of each."""
