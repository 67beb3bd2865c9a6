//! Sizes of a new model.

use job_contract::ModelShape;

/// Sizes of a new model that are on offer: name, then the shape.
pub(super) static SHAPES: [(&str, ModelShape); 3] = [
    ("tiny", shape([512, 2, 64, 4, 2, 192, 256])),
    ("small", shape([8192, 6, 192, 6, 3, 576, 512])),
    ("medium", shape([16384, 12, 384, 6, 3, 1152, 1024])),
];
/// Of one that nobody says the size of.
pub(super) const USUAL_SHAPE: &str = "small";

const fn shape(
    [
        vocabulary,
        layers,
        width,
        heads,
        key_value_heads,
        inner_width,
        context_length,
    ]: [u32; 7],
) -> ModelShape {
    ModelShape {
        vocabulary,
        layers,
        width,
        heads,
        key_value_heads,
        inner_width,
        context_length,
        tied_embeddings: true,
    }
}
