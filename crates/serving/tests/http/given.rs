//! A server with a tiny model, and ways to talk to it.

use std::{
    collections::HashMap,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use language_model::{
    inference::Activations,
    synthetic::{Noise, Synthetic},
};
use openai_api::SseSplitter;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use serving::{
    Engine, Registry, UsageLog,
    engine::EngineLimits,
    http::{self, Service},
    registry::{Base, Limits},
};
use tempfile::TempDir;

/// Tokens that the tiny model takes.
pub(crate) const CONTEXT: usize = 4096;

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) registry: Arc<Registry>,
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
    handle: actix_web::dev::ServerHandle,
}

/// What a server is started with.
pub(crate) struct Options {
    pub(crate) engine: EngineLimits,
    pub(crate) token: Option<&'static str>,
    pub(crate) may_load_adapters: bool,
    pub(crate) has_model: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: EngineLimits {
                running: 8,
                waiting: 32,
                cache_bytes: 256 << 20,
                activations: Activations::Bits16,
                threads: Some(2),
            },
            token: None,
            may_load_adapters: true,
            has_model: true,
        }
    }
}

pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let time_out = std::time::Duration::from_secs(60);
    reqwest::Client::builder()
        .timeout(time_out)
        .build()
        .unwrap()
}

pub(crate) fn model_file(folder: &Path) -> PathBuf {
    let path = folder.join("tiny.gguf");
    let synthetic = Synthetic {
        context_length: CONTEXT,
        ..Synthetic::default()
    };
    synthetic.write_gguf(&path).unwrap();
    path
}

pub(crate) fn server(options: Options) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let registry = Arc::new(Registry::new(Limits {
        most_context_tokens: CONTEXT,
        cache_bytes: options.engine.cache_bytes,
    }));
    if options.has_model {
        let base = Base::open("tiny", &model_file(folder.path()), registry.limits()).unwrap();
        registry.add_base(base).unwrap();
    }
    let engine = Engine::start(options.engine).unwrap();
    let service = Service {
        registry: Arc::clone(&registry),
        engine: engine.clone(),
        usage_log: Arc::new(UsageLog::default()),
        token: options.token.map(Arc::from),
        may_load_adapters: options.may_load_adapters,
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = http::serve(service, listener).unwrap();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    Server {
        url,
        client: client(),
        registry,
        engine,
        folder,
        handle: receiver.recv().unwrap(),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Server {
    pub(crate) fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).json(body)
    }

    /// Status and JSON body.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.post(path, body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The events of a stream as JSON, without the closing one, which must be there.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> Vec<Value> {
        let response = self.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut events = SseSplitter::new(1 << 20)
            .push(&response.bytes().await.unwrap())
            .unwrap();
        assert!(
            events.pop().is_some_and(|last| last.is_done()),
            "a stream ends with [DONE]"
        );
        events
            .iter()
            .map(|event| serde_json::from_slice(&event.data).unwrap())
            .collect()
    }

    /// A PEFT folder for the tiny model; `strength` 0 changes nothing.
    pub(crate) fn adapter(&self, name: &str, strength: f32) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let (config, weights) = adapter_files(strength);
        std::fs::write(folder.join("adapter_config.json"), config).unwrap();
        std::fs::write(folder.join("adapter_model.safetensors"), weights).unwrap();
        folder
    }
}

pub(crate) fn adapter_files(strength: f32) -> (Vec<u8>, Vec<u8>) {
    let mut noise = Noise::new(7);
    let mut tensors = Vec::new();
    for layer in 0..2 {
        for (module, outputs, inputs) in [("self_attn.q_proj", 64, 64), ("mlp.down_proj", 64, 128)]
        {
            for (half, shape) in [("A", [4, inputs]), ("B", [outputs, 4])] {
                let values = noise.samples(shape[0] * shape[1], strength);
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                let name =
                    format!("base_model.model.model.layers.{layer}.{module}.lora_{half}.weight");
                tensors.push((name, bytes, shape));
            }
        }
    }
    let views = tensors.iter().map(|(name, bytes, shape)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap(),
        )
    });
    let weights = safetensors::serialize(views, None::<HashMap<String, String>>).unwrap();
    let config = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]});
    (serde_json::to_vec(&config).unwrap(), weights)
}

/// A greedy chat request.
pub(crate) fn chat(content: &str, more: Value) -> Value {
    let mut body = json!({
        "model": "tiny", "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 24
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}
