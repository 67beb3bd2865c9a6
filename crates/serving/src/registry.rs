//! The models that are served, by the name that requests use.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use language_model::{
    ChatTemplate, ModelFile, OpenError, Tokenizer,
    inference::{Adapter, InferenceModel, PAGE_TOKENS},
};

use crate::{
    constraint::Words,
    fits::{self, DoesNotFit, Need},
};

/// A base model with all that is needed to talk to it.
#[derive(Debug)]
pub struct Base {
    pub name: String,
    pub model: InferenceModel,
    pub tokenizer: Tokenizer,
    /// None for a base that was not made to chat.
    pub chat_template: Option<ChatTemplate>,
    /// Made for the first answer of a wanted form.
    words: OnceLock<Arc<Words>>,
}

/// What a model name stands for.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: String,
    pub base: Arc<Base>,
    pub adapter: Option<Arc<Adapter>>,
    /// Seconds since 1970.
    pub created: u64,
    /// Set once it is served no more; running answers end then.
    pub is_dropped: Arc<AtomicBool>,
    /// Told apart from all others by this number, also from one that had its name before.
    pub serial: u64,
    /// Held by every answer that is made with it.
    held: Arc<()>,
}

/// How large a base may get.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most tokens of a sequence; the model's own context where that is less.
    pub most_context_tokens: usize,
    /// Memory for the keys and values of all running sequences; a context always fits in it.
    pub cache_bytes: usize,
}

/// Why a model cannot be added or dropped.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the model cannot be opened: {0}")]
    Open(#[from] OpenError),
    #[error("the adapter cannot be used: {0}")]
    Adapter(#[from] language_model::inference::AdapterError),
    #[error("a model named {0:?} is served already")]
    NameTaken(String),
    #[error("there is no base model {0:?}")]
    NoBase(String),
    #[error("there is no adapter {0:?}")]
    NoAdapter(String),
    #[error("no token fits in the memory for keys and values")]
    NoRoom,
    #[error("the model does not fit: {0}")]
    DoesNotFit(#[from] DoesNotFit),
}

/// All served models. Cheap to look up in, changed while requests run.
#[derive(Debug)]
pub struct Registry {
    models: RwLock<BTreeMap<String, Served>>,
    last_serial: AtomicU64,
    limits: Limits,
}

impl Base {
    /// Opens and packs a model; takes seconds and the processor.
    ///
    /// # Errors
    /// [`RegistryError::Open`], [`RegistryError::NoRoom`], [`RegistryError::DoesNotFit`].
    pub fn open(name: &str, path: &Path, limits: Limits) -> Result<Self, RegistryError> {
        let file = ModelFile::open(path)?;
        let page_bytes =
            2 * file.config.layers * file.config.kv_size() * size_of::<f32>() * PAGE_TOKENS;
        let most_tokens = limits
            .most_context_tokens
            .min(limits.cache_bytes / page_bytes.max(1) * PAGE_TOKENS);
        if most_tokens < 2 {
            return Err(RegistryError::NoRoom);
        }
        let context = most_tokens.min(file.config.context_length);
        let need = Need {
            weight_bytes: InferenceModel::packed_bytes(&file.config, &file.weights),
            context_bytes: context.div_ceil(PAGE_TOKENS) * page_bytes,
        };
        fits::check(need, fits::free_bytes())?;
        Ok(Self {
            name: name.to_owned(),
            model: InferenceModel::new(&file.config, &file.weights, most_tokens),
            tokenizer: file.tokenizer,
            chat_template: file.chat_template,
            words: OnceLock::new(),
        })
    }

    /// Its tokens, to choose among for answers of a wanted form; takes a moment the first time.
    pub fn words(&self) -> Arc<Words> {
        let words = || Arc::new(Words::new(&self.tokenizer));
        Arc::clone(self.words.get_or_init(words))
    }
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self {
            models: RwLock::default(),
            last_serial: AtomicU64::new(0),
            limits,
        }
    }

    /// The limits for bases that are opened for this registry.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The model of this name.
    pub fn find(&self, name: &str) -> Option<Served> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.get(name).cloned()
    }

    /// All models, by name.
    pub fn all(&self) -> Vec<Served> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.values().cloned().collect()
    }

    /// Serves a base under its name.
    ///
    /// # Errors
    /// [`RegistryError::NameTaken`].
    pub fn add_base(&self, base: Base) -> Result<(), RegistryError> {
        let name = base.name.clone();
        self.add(name, Arc::new(base), None)
    }

    /// Serves an adapter over a base that is served.
    ///
    /// # Errors
    /// [`RegistryError::NoBase`], [`RegistryError::NameTaken`].
    pub fn add_adapter(
        &self,
        name: &str,
        base: &str,
        adapter: Adapter,
    ) -> Result<(), RegistryError> {
        let base = self.base(base)?;
        self.add(name.to_owned(), base, Some(Arc::new(adapter)))
    }

    /// Whether an answer is made with the model of this name.
    pub fn is_in_use(&self, name: &str) -> bool {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        // One is held here.
        models
            .get(name)
            .is_some_and(|served| Arc::strong_count(&served.held) > 1)
    }

    /// The base of this name.
    ///
    /// # Errors
    /// [`RegistryError::NoBase`], also where the name is an adapter's.
    pub fn base(&self, name: &str) -> Result<Arc<Base>, RegistryError> {
        let served = self.find(name).filter(|served| served.adapter.is_none());
        served
            .map(|served| served.base)
            .ok_or_else(|| RegistryError::NoBase(name.to_owned()))
    }

    /// Drops a model; dropping a base drops its adapters. Its running answers end at their next token.
    ///
    /// Returns whether it was there.
    pub fn remove(&self, name: &str) -> bool {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let Some(removed) = models.remove(name) else {
            return false;
        };
        removed.is_dropped.store(true, Ordering::Relaxed);
        if removed.adapter.is_none() {
            models.retain(|_, other| {
                let stays = !Arc::ptr_eq(&other.base, &removed.base);
                other.is_dropped.fetch_or(!stays, Ordering::Relaxed);
                stays
            });
        }
        true
    }

    fn add(
        &self,
        name: String,
        base: Arc<Base>,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<(), RegistryError> {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if models.contains_key(&name) {
            return Err(RegistryError::NameTaken(name));
        }
        let served = Served {
            name: name.clone(),
            base,
            adapter,
            created: seconds_since_1970(),
            is_dropped: Arc::default(),
            serial: self.last_serial.fetch_add(1, Ordering::Relaxed),
            held: Arc::default(),
        };
        models.insert(name, served);
        Ok(())
    }
}

impl Served {
    /// Most tokens of prompt and answer together.
    pub fn context_tokens(&self) -> usize {
        self.base.model.config().context_length
    }
}

/// The time that answers carry.
pub fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
