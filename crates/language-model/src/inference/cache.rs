/// The keys and values of one sequence, for all layers.
///
/// Grows as the sequence does, up to a capacity that is fixed at the start.
#[derive(Debug, Clone)]
pub struct KvCache {
    /// One for each layer: `[tokens, kv_size]` f32, keys after rotation.
    pub(super) keys: Vec<Vec<f32>>,
    /// As `keys`.
    pub(super) values: Vec<Vec<f32>>,
    tokens: usize,
    capacity: usize,
}

impl KvCache {
    /// An empty cache for at most `capacity` tokens.
    pub(super) fn new(layers: usize, capacity: usize) -> Self {
        Self {
            keys: vec![Vec::new(); layers],
            values: vec![Vec::new(); layers],
            tokens: 0,
            capacity,
        }
    }

    /// Tokens that have been computed.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Most tokens that it takes.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn advance(&mut self, tokens: usize) {
        self.tokens += tokens;
    }
}
