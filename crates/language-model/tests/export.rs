//! What is exported opens again as the same model.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{fs, path::Path};

use language_model::{
    ChatTemplate, Config, Document, LoraAdapter, ModelFile, Parameters, RotaryScaling, Target,
    Tokenizer, WholeWeights,
    export::{Export, ExportError, Exported, NumberFormat},
    synthetic::{Noise, Synthetic},
    tokenizer_training::CHAT_TEMPLATE,
    training_graph::{Batch, Precision, Trained, TrainingModel},
};

fn model(folder: &Path, is_quantised: bool) -> ModelFile {
    let path = folder.join("tiny.gguf");
    let shape = Synthetic {
        is_quantised,
        ..Synthetic::default()
    };
    shape.write_gguf(&path).unwrap();
    ModelFile::open(&path).unwrap()
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    batch.push(&Document {
        tokens: (0..60).map(|place| place * 7 % 271).collect(),
        is_target: vec![true; 60],
    });
    batch
}

fn loss(model: &ModelFile, trained: Trained<'_>) -> f64 {
    let mut graph = TrainingModel::new(model, Precision::Full);
    graph.loss(trained, &batch()).unwrap().mean().unwrap()
}

#[test]
fn a_quantised_file_becomes_a_folder_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), true);
    let out = folder.path().join("hub");
    Export::of_model(&model, None, NumberFormat::F32)
        .write(&out)
        .unwrap();
    let again = ModelFile::open(&out).unwrap();
    assert_eq!(again.config, model.config);
    assert_eq!(loss(&again, Trained::None), loss(&model, Trained::None));
    let text = "De Heer <|im_start|> 1234 Ĳ";
    assert_eq!(
        again.tokenizer.encode(text).unwrap(),
        model.tokenizer.encode(text).unwrap()
    );
    assert_eq!(again.tokenizer.ends(), model.tokenizer.ends());
    assert_eq!(
        again.chat_template.as_ref().map(ChatTemplate::source),
        model.chat_template.as_ref().map(ChatTemplate::source),
    );
}

#[test]
fn a_merged_model_is_the_base_with_its_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), false);
    let targets = [Target::Query, Target::Key, Target::Up, Target::Down];
    let mut adapter = LoraAdapter::new(&model.config, 4, 8.0, &targets, 1).unwrap();
    let numbers = Noise::new(2).samples(adapter.flat().len(), 0.1);
    adapter.flat_mut().copy_from_slice(&numbers);
    let with = loss(&model, Trained::lora(&adapter));
    assert!(
        (with - loss(&model, Trained::None)).abs() > 1e-3,
        "the adapter does nothing"
    );
    for (format, bound) in [(NumberFormat::F32, 1e-5), (NumberFormat::Bf16, 2e-2)] {
        let out = folder.path().join(format!("{format:?}"));
        Export::of_model(&model, Some(&adapter), format)
            .write(&out)
            .unwrap();
        let merged = loss(&ModelFile::open(&out).unwrap(), Trained::None);
        assert!(
            (merged - with).abs() < bound,
            "{format:?}: {merged}, with the adapter {with}"
        );
    }
    let other = Config {
        layers: 1,
        ..model.config.clone()
    };
    let other = LoraAdapter::new(&other, 4, 8.0, &targets, 1).unwrap();
    let refused = Export::of_model(&model, Some(&other), NumberFormat::F32).write(folder.path());
    assert!(matches!(refused, Err(ExportError::OtherShape)));
}

#[test]
fn weights_trained_from_nothing_become_a_model_with_their_own_tokenizer() {
    let texts = ["de kat zit op de mat en de hond zit op de kat"; 4];
    let tokenizer = Tokenizer::train(texts.into_iter(), 280).unwrap();
    let config = Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 24,
        intermediate_size: 40,
        layers: 2,
        heads: 3,
        kv_heads: 1,
        head_dim: 8,
        rope_theta: 10_000.0,
        rope_scaling: RotaryScaling::None,
        norm_epsilon: 1e-5,
        context_length: 128,
        is_embedding_tied: false,
    };
    let whole = WholeWeights::fresh(&config, 3);
    let template = ChatTemplate::new(CHAT_TEMPLATE.to_owned(), String::new(), String::new());
    let template = template.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = Export {
        weights: Exported::Whole(&whole),
        tokenizer: &tokenizer,
        chat_template: Some(&template),
        format: NumberFormat::F32,
    };
    export.write(folder.path()).unwrap();
    let model = ModelFile::open(folder.path()).unwrap();
    assert_eq!(model.config, config);
    assert_eq!(WholeWeights::from_model(&model), whole);
    let text = "de kat en 12 🙂";
    assert_eq!(
        model.tokenizer.encode(text).unwrap(),
        tokenizer.encode(text).unwrap()
    );
    assert_eq!(model.tokenizer.end(), tokenizer.end());
    assert!(model.chat_template.is_some());
}

#[test]
fn weights_in_several_files_are_found_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), false);
    let out = folder.path().join("hub");
    let names = Export::of_model(&model, None, NumberFormat::F32)
        .write_in_files_of(100_000, &out)
        .unwrap();
    let (weights, rest) = names.split_at(names.len() - 4);
    assert!(weights.len() > 2, "{names:?}");
    for (place, name) in weights.iter().enumerate() {
        let (number, of) = (place + 1, weights.len());
        let expected = format!("model-{number:05}-of-{of:05}.safetensors");
        assert_eq!(name, &expected);
    }
    assert_eq!(
        rest,
        [
            "model.safetensors.index.json",
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ]
    );
    let again = ModelFile::open(&out).unwrap();
    assert_eq!(loss(&again, Trained::None), loss(&model, Trained::None));
    fs::remove_file(out.join(&weights[1])).unwrap();
    assert!(ModelFile::open(&out).is_err());
    // Another export in the same place leaves nothing of this one.
    let once_more = Export::of_model(&model, None, NumberFormat::F32)
        .write(&out)
        .unwrap();
    let mut there: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort_unstable();
    assert_eq!(there.len(), once_more.len(), "{there:?}");
    let again = ModelFile::open(&out).unwrap();
    assert_eq!(loss(&again, Trained::None), loss(&model, Trained::None));
    let index = r#"{"weight_map": {"model.norm.weight": "../other.safetensors"}}"#;
    fs::write(out.join("model.safetensors.index.json"), index).unwrap();
    let error = ModelFile::open(&out).unwrap_err().to_string();
    assert!(error.contains("plain file name"), "{error}");
}
