use serde::{Deserialize, Serialize};

/// Body of `POST /v1/load_lora_adapter`, as vLLM takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAdapter {
    /// The model name under which the adapter is served.
    pub lora_name: String,
    /// A folder in PEFT layout on the serving machine.
    pub lora_path: String,
    /// The base model; may be left out where exactly one base is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model_name: Option<String>,
}

/// Body of `POST /v1/unload_lora_adapter`, as vLLM takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadAdapter {
    pub lora_name: String,
}
