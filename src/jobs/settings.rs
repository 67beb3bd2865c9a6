//! The settings of a job: read field by field, each with its bounds and with what is usual for the method.

use job_contract::{
    EarlyStop, LoraSettings, ModelShape, Precision, Recompute, Schedule, Task, TrainingSettings,
};

use super::{
    draft::RawDraft,
    method::Method,
    setting::{at_will, fraction, number, switch, whole, word},
    shape::{SHAPES, USUAL_SHAPE},
};
use crate::{error::Say, web::FieldErrors};

/// The seven matrices of a Llama layer, as in PEFT.
pub(super) const MODULES: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// The method that a draft says, or that is usual for its purpose.
pub(super) fn method(raw: &RawDraft) -> Option<Method> {
    match raw.settings.method.as_str() {
        "" => match raw.purpose.as_str() {
            "" => Some(Method::Lora),
            purpose => Method::usual_for(purpose.parse().ok()?),
        },
        word => Method::parse(word),
    }
}

/// The work that a draft asks for.
pub(super) fn task(errors: &mut FieldErrors, method: Method, raw: &RawDraft) -> Task {
    let training = training(errors, method, raw);
    match method {
        Method::Lora => Task::FineTuneLora {
            lora: lora(errors, raw),
            training,
        },
        Method::Dpo => Task::Dpo {
            lora: lora(errors, raw),
            training,
            beta: fraction(errors, ("beta", &raw.settings.beta), 0.1, (0.001, 10.0)),
        },
        Method::Full | Method::Continued => Task::FineTuneFull { training },
        Method::Pretrain => {
            let shape = chosen_shape(errors, raw);
            if training.sequence_length > shape.context_length {
                errors.add(
                    "sequence_length",
                    Say::new("jobs-sequence-beyond-context").with("most", shape.context_length),
                );
            }
            Task::Pretrain { shape, training }
        }
    }
}

/// The number of a run, where one was given.
pub(super) fn seed(errors: &mut FieldErrors, raw: &RawDraft) -> Option<i64> {
    let text = &raw.settings.seed;
    (!text.trim().is_empty()).then(|| errors.number("seed", text, 0, i64::from(i32::MAX)))
}

fn chosen_shape(errors: &mut FieldErrors, raw: &RawDraft) -> ModelShape {
    let wanted = match raw.settings.shape.as_str() {
        "" => USUAL_SHAPE,
        word => word,
    };
    let found = SHAPES.iter().find(|(name, _)| *name == wanted);
    let found = errors.choice("shape", found);
    let (_, shape) = found.unwrap_or(&SHAPES[1]);
    shape.clone()
}

fn lora(errors: &mut FieldErrors, raw: &RawDraft) -> LoraSettings {
    let settings = &raw.settings;
    let rank = whole(errors, ("rank", &raw.rank), 8, (1, 64));
    #[expect(clippy::cast_precision_loss, reason = "at most 128")]
    let usual_alpha = (rank * 2) as f32;
    let alpha = fraction(
        errors,
        ("alpha", &settings.alpha),
        usual_alpha,
        (0.1, 1024.0),
    );
    let dropout = fraction(errors, ("dropout", &settings.dropout), 0.0, (0.0, 0.9));
    let is_named = |module: &&str| settings.target_modules.iter().any(|name| name == module);
    let known = |name: &String| MODULES.contains(&name.as_str());
    if !settings.target_modules.iter().all(known) {
        errors.add("target_modules", Say::new("field-choice"));
    }
    LoraSettings {
        rank,
        alpha,
        dropout,
        target_modules: MODULES
            .iter()
            .filter(|module| settings.target_modules.is_empty() || is_named(module))
            .map(|module| (*module).to_owned())
            .collect(),
    }
}

fn training(errors: &mut FieldErrors, method: Method, raw: &RawDraft) -> TrainingSettings {
    let settings = &raw.settings;
    let usual = TrainingSettings::default();
    let batch_size = whole(errors, ("batch_size", &raw.batch_size), 4, (1, 64));
    let held_out_share = fraction(
        errors,
        ("held_out_share", &settings.held_out_share),
        usual.held_out_share,
        (0.0, 0.5),
    );
    let accumulate = whole(
        errors,
        ("accumulate", &settings.accumulate),
        1,
        (1, batch_size),
    );
    let keep_best = switch(errors, ("keep_best", &settings.keep_best), false);
    let patience = at_will(errors, ("early_stop", &settings.early_stop), (1, 1000));
    for (field, is_on) in [("keep_best", keep_best), ("early_stop", patience.is_some())] {
        if is_on && held_out_share <= 0.0 {
            errors.add(field, Say::new("jobs-needs-held-out"));
        }
    }
    TrainingSettings {
        epochs: whole(errors, ("epochs", &raw.epochs), 3, (1, 1000)),
        max_steps: at_will(errors, ("max_steps", &raw.max_steps), (1, 100_000)),
        batch_size,
        sequence_length: whole(
            errors,
            ("sequence_length", &raw.sequence_length),
            256,
            (16, 2048),
        ),
        learning_rate: learning_rate(errors, method, &raw.learning_rate),
        warmup_steps: whole(
            errors,
            ("warmup_steps", &settings.warmup_steps),
            usual.warmup_steps,
            (0, 100_000),
        ),
        held_out_share,
        schedule: word(
            errors,
            ("schedule", &settings.schedule),
            &[
                ("linear", Schedule::Linear),
                ("cosine", Schedule::Cosine),
                ("constant", Schedule::Constant),
            ],
        ),
        weight_decay: fraction(
            errors,
            ("weight_decay", &settings.weight_decay),
            0.0,
            (0.0, 1.0),
        ),
        clip_norm: fraction(
            errors,
            ("clip_norm", &settings.clip_norm),
            1.0,
            (0.01, 100.0),
        ),
        accumulate,
        packing: switch(errors, ("packing", &settings.packing), method.packs()),
        recompute: word(
            errors,
            ("recompute", &settings.recompute),
            &[
                ("auto", Recompute::Auto),
                ("always", Recompute::Always),
                ("never", Recompute::Never),
            ],
        ),
        precision: word(
            errors,
            ("precision", &settings.precision),
            &[
                ("auto", Precision::Auto),
                ("f32", Precision::F32),
                ("bf16", Precision::Bf16),
            ],
        ),
        evaluate_every_steps: at_will(
            errors,
            ("evaluate_every_steps", &settings.evaluate_every_steps),
            (1, 100_000),
        ),
        early_stop: patience.map(|patience| EarlyStop {
            patience,
            min_gain: 0.0,
        }),
        keep_best,
        canaries: whole(errors, ("canaries", &settings.canaries), 0, (0, 100)),
        ..usual
    }
}

fn learning_rate(errors: &mut FieldErrors, method: Method, raw: &str) -> f32 {
    match number(raw) {
        None => method.learning_rate(),
        Some(Ok(rate)) if (1e-6..=0.1).contains(&rate) => rate,
        Some(_) => {
            errors.add("learning_rate", Say::new("jobs-learning-rate-bounds"));
            method.learning_rate()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::raw_settings::RawSettings, *};

    fn read(change: impl FnOnce(&mut RawDraft)) -> (Task, Vec<&'static str>) {
        let mut raw = RawDraft::fresh();
        raw.purpose.clear();
        change(&mut raw);
        let mut errors = FieldErrors::default();
        let task = task(&mut errors, method(&raw).unwrap(), &raw);
        (task, errors.iter().map(|(field, _)| *field).collect())
    }

    #[test]
    fn every_method_has_usual_settings_that_are_allowed() {
        for method in Method::ALL {
            let (task, wrong) = read(|raw| raw.settings.method = method.name().into());
            assert_eq!(wrong, Vec::<&str>::new(), "{method:?}");
            assert_eq!(Method::of(&task, method.purpose()), Some(method));
            assert_eq!(task.lora().is_some(), method.has_adapters(), "{method:?}");
            assert_eq!(Method::parse(method.name()), Some(method));
        }
    }

    #[test]
    fn a_purpose_alone_names_its_usual_method() {
        for (purpose, name) in [
            ("fine_tuning", "lora"),
            ("continued_pretraining", "continued"),
            ("pretraining", "pretrain"),
        ] {
            let raw = RawDraft {
                purpose: purpose.into(),
                ..RawDraft::default()
            };
            assert_eq!(method(&raw).map(Method::name), Some(name));
        }
        let raw = RawDraft {
            purpose: "evaluation".into(),
            ..RawDraft::default()
        };
        assert_eq!(method(&raw), None);
    }

    #[test]
    fn what_is_set_is_kept() {
        let (task, wrong) = read(|raw| {
            raw.settings = RawSettings {
                method: "dpo".into(),
                beta: "0,2".into(),
                alpha: "32".into(),
                dropout: "0.1".into(),
                target_modules: vec!["v_proj".into(), "q_proj".into()],
                schedule: "cosine".into(),
                warmup_steps: "5".into(),
                weight_decay: "0.01".into(),
                clip_norm: "0.5".into(),
                accumulate: "2".into(),
                packing: "yes".into(),
                precision: "f32".into(),
                recompute: "always".into(),
                held_out_share: "0.2".into(),
                evaluate_every_steps: "10".into(),
                early_stop: "3".into(),
                keep_best: "yes".into(),
                canaries: "2".into(),
                ..RawSettings::default()
            };
        });
        assert_eq!(wrong, Vec::<&str>::new());
        let Task::Dpo {
            lora,
            training,
            beta,
        } = task
        else {
            panic!("{task:?}");
        };
        assert_eq!((beta, lora.alpha, lora.dropout), (0.2, 32.0, 0.1));
        assert_eq!(lora.target_modules, ["q_proj", "v_proj"]);
        assert_eq!(training.schedule, Schedule::Cosine);
        assert_eq!((training.warmup_steps, training.accumulate), (5, 2));
        assert_eq!(
            (training.precision, training.recompute),
            (Precision::F32, Recompute::Always)
        );
        assert_eq!(training.early_stop.map(|stop| stop.patience), Some(3));
        assert!(training.keep_best && training.packing);
        assert_eq!((training.canaries, training.held_out_share), (2, 0.2));
    }

    #[test]
    fn every_setting_is_bounded() {
        type Change = fn(&mut RawSettings);
        let cases: [(&str, Change); 16] = [
            ("beta", |s| s.beta = "0".into()),
            ("alpha", |s| s.alpha = "NaN".into()),
            ("dropout", |s| s.dropout = "1".into()),
            ("target_modules", |s| {
                s.target_modules = vec!["lm_head".into()];
            }),
            ("schedule", |s| s.schedule = "step".into()),
            ("warmup_steps", |s| s.warmup_steps = "-1".into()),
            ("weight_decay", |s| s.weight_decay = "2".into()),
            ("clip_norm", |s| s.clip_norm = "0".into()),
            ("accumulate", |s| s.accumulate = "5".into()),
            ("packing", |s| s.packing = "maybe".into()),
            ("precision", |s| s.precision = "f16".into()),
            ("recompute", |s| s.recompute = "often".into()),
            ("held_out_share", |s| s.held_out_share = "0.6".into()),
            ("evaluate_every_steps", |s| {
                s.evaluate_every_steps = "0".into();
            }),
            ("canaries", |s| s.canaries = "101".into()),
            ("keep_best", |s| {
                s.keep_best = "yes".into();
                s.held_out_share = "0".into();
            }),
        ];
        for (field, change) in cases {
            let (_, wrong) = read(|raw| {
                raw.settings.method = "dpo".into();
                change(&mut raw.settings);
            });
            assert_eq!(wrong, [field]);
        }
    }

    #[test]
    fn a_sequence_stays_within_what_a_new_model_sees() {
        let (_, wrong) = read(|raw| {
            raw.settings.method = "pretrain".into();
            raw.settings.shape = "tiny".into();
            raw.sequence_length = "512".into();
        });
        assert_eq!(wrong, ["sequence_length"]);
        let (_, wrong) = read(|raw| {
            raw.settings.method = "pretrain".into();
            raw.settings.shape = "huge".into();
        });
        assert_eq!(wrong, ["shape"]);
    }
}
