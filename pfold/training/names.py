"""Which parameters each segment of a training pass takes, by their checkpoint names."""

import re
from dataclasses import dataclass

from pfold.model.pairformer import PAIR_UPDATES
from pfold.training.parameters import Names
from pfold.weights.layout import checkpoint_layout
from pfold.weights.published import ModelSettings
from pfold.weights.tree import nest


@dataclass(frozen=True, eq=False)
class BlockNames:
    """Of a pairformer block: all names, those of the pairs' updates by `PAIR_UPDATES`, and of the update of s alone."""

    whole: Names
    single: Names


@dataclass(frozen=True, eq=False)
class DiffusionBlockNames:
    """Of a block of the diffusion transformer: all names, and those of its pieces in their order."""

    whole: Names
    attention_norm: Names
    heads: Names
    add_attention: Names
    transition_norm: Names
    transition: Names
    add_transition: Names


class SegmentNames:
    """The checkpoint names that each segment takes, as trees."""

    def __init__(self, settings: ModelSettings) -> None:
        self._names = list(checkpoint_layout(settings))
        self.embed_inputs = self._tree("input_embedder.atom_attention_encoder.", "")
        self.add_esm = self._tree("input_embedder.", r"linear_esm\.")
        self.init_trunk = self._tree("", r"linear_no_bias_(sinit|zinit1|zinit2)\.")
        cycle = r"layernorm_(s|z_cycle)\.|linear_no_bias_(s|z_cycle|token_bond)\.|relative_position_encoding\."
        self.cycle = self._tree("", cycle + r"|msa_module\.linear_no_bias_")
        self.constraints = self._tree("constraint_embedder.", "")
        templates, blocks = "template_embedder.", "pairformer_stack.blocks."
        self.template = {
            "head": self._tree(templates, r"layernorm_[zv]\.|linear_no_bias_[za]\."),
            "blocks": self._blocks(templates + blocks, settings.n_template_block),
        }
        self.add_templates = self._tree(templates, r"linear_no_bias_u\.")
        self.msa_blocks = self._blocks("msa_module.blocks.", settings.n_msa_block)
        self.blocks = self._pairformer("pairformer_stack.blocks.", settings.n_pairformer_block)
        self.distogram = self._tree("distogram_head.", "")
        diffusion, conditioning = "diffusion_module.", r"diffusion_conditioning\."
        encoder = r"atom_attention_encoder\."
        self.condition_pairs = self._tree(
            diffusion,
            conditioning
            + r"(relpe|layernorm_z|linear_no_bias_z|transition_z\d)\.|"
            + encoder
            + r"(layernorm_z|linear_no_bias_z)\.",
        )
        pair_bias = r"attention_pair_bias\.(layernorm_z|linear_nobias_z)\."
        blocks = f"{diffusion}diffusion_transformer.blocks."
        self.biases = self._blocks(blocks, settings.n_diffusion_block, pair_bias)
        self.diffusion_blocks = [
            self._diffusion_block(f"{blocks}{i}.", pair_bias) for i in range(settings.n_diffusion_block)
        ]
        atom_bias = r"atom_transformer\.diffusion_transformer\.blocks\.\d+\." + pair_bias
        own = r"(layernorm_s|linear_no_bias_(ref_pos|ref_charge|f|d|invd|v|s|cl|cm)|small_mlp)\."
        self.prepare_atoms = self._tree(
            diffusion,
            conditioning
            + r"(layernorm_s|linear_no_bias_s)\.|"
            + encoder
            + own
            + f"|atom_attention_(en|de)coder.{atom_bias}",
        )
        self.condition_single = self._tree(
            f"{diffusion}diffusion_conditioning.", r"(fourier_embedding|layernorm_n|linear_no_bias_n|transition_s\d)\."
        )
        self.embed_noisy = self._tree(
            f"{diffusion}atom_attention_encoder.", f"(?!{own}|{atom_bias}|layernorm_z|linear_no_bias_z)"
        )
        self.add_conditioning = self._tree(diffusion, r"(layernorm_s|linear_no_bias_s)\.")
        self.norm_tokens = self._tree(diffusion, r"layernorm_a\.")
        self.denoised = self._tree(f"{diffusion}atom_attention_decoder.", f"(?!{atom_bias})")
        confidence = "confidence_head."
        self.embed_sample = self._tree(
            confidence, r"lower_bins|upper_bins|linear_no_bias_(s1|s2|d|d_wo_onehot)\.|input_strunk_ln\."
        )
        self.confidence_blocks = self._pairformer(
            "confidence_head.pairformer_stack.blocks.", settings.n_confidence_block
        )
        self.pair_errors = self._tree(confidence, r"linear_no_bias_(pae|pde)\.|(pae|pde)_ln\.")
        self.atom_scores = self._tree(confidence, r"(plddt|resolved)_(weight|ln)")

    def _tree(self, prefix: str, pattern: str) -> Names:
        chosen = [n for n in self._names if n.startswith(prefix) and re.match(pattern, n.removeprefix(prefix))]
        return nest({name.removeprefix(prefix): name for name in chosen})

    def _blocks(self, prefix: str, count: int, pattern: str = "") -> list[Names]:
        return [self._tree(f"{prefix}{i}.", pattern) for i in range(count)]

    def _diffusion_block(self, prefix: str, pair_bias: str) -> DiffusionBlockNames:
        attention, transition = f"{prefix}attention_pair_bias.", f"{prefix}conditioned_transition_block."
        return DiffusionBlockNames(
            self._tree(prefix, f"(?!{pair_bias})"),
            self._tree(f"{attention}layernorm_a.", ""),
            self._tree(f"{attention}attention.", r"linear_[qkvg]\."),
            self._tree(attention, r"linear_a_last\.|attention\.linear_o\."),
            self._tree(f"{transition}adaln.", ""),
            self._tree(transition, "linear_nobias_"),
            self._tree(transition, r"linear_s\."),
        )

    def _pairformer(self, prefix: str, count: int) -> list[BlockNames]:
        blocks = self._blocks(prefix, count)
        return [BlockNames(b, {key: b[key] for key in b if key not in PAIR_UPDATES}) for b in blocks]
