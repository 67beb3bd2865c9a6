//! Products on a GPU are those of the processor, and a step with them is PyTorch's. `scripts/deep cuda`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod golden;

use language_model::{
    matrix::{self, Matrix, Threads, Write},
    synthetic::Noise,
    training_graph::{Device, GraphError, Precision, Trained, TrainingModel},
};

use crate::golden::{adapter, batch, check_a_step, file, gradients, norm};

/// The GPU; there is nothing that these tests could say without one.
#[expect(
    clippy::panic,
    reason = "a check that was asked for must not seem to pass"
)]
fn gpu() -> Device {
    match Device::cuda() {
        Ok(device) => {
            eprintln!("{device}");
            device
        }
        Err(why) => panic!("no GPU here: {why}"),
    }
}

#[test]
fn products_of_any_shape_are_those_of_the_processor() {
    let device = gpu();
    let mut noise = Noise::new(5);
    // The last two go in parts: more rows, or wider ones, than are copied at once.
    for (rows, outputs, inputs) in [
        (1, 1, 1),
        (13, 33, 7),
        (400, 70, 65),
        (5, 40, 5001),
        (512, 960, 576),
        (3400, 9, 5001),
        (300, 65_537, 24),
    ] {
        let w = noise.samples(outputs * inputs, 1.0);
        let w_matrix = Matrix::new(&w, outputs, inputs);
        for precision in [Precision::Full, Precision::Mixed] {
            let held = device.hold(&w, (outputs, inputs), precision);
            let held = held.unwrap().unwrap();
            for (is_forward, inner, wide) in [(true, inputs, outputs), (false, outputs, inputs)] {
                let bound = match precision {
                    Precision::Full => 1e-5 * inner as f32 + 1e-4,
                    Precision::Mixed => 0.02 * (inner as f32).sqrt() + 0.01,
                };
                let x = noise.samples(rows * inner, 1.0);
                let start = noise.samples(rows * wide, 1.0);
                for write in [Write::Replace, Write::Add] {
                    let (mut exact, mut found) = (start.clone(), start.clone());
                    let right = if is_forward {
                        w_matrix.transposed()
                    } else {
                        w_matrix
                    };
                    let left = Matrix::new(&x, rows, inner);
                    let place = (&mut exact[..], wide);
                    matrix::multiply(place, left, right, (write, 1.0), Threads::All);
                    let done = if is_forward {
                        held.forward(&x, &mut found, write)
                    } else {
                        held.backward(&x, &mut found, write)
                    };
                    done.unwrap();
                    for (place, (exact, found)) in exact.iter().zip(&found).enumerate() {
                        assert!(
                            (exact - found).abs() < bound,
                            "{precision:?}, forward {is_forward}, {rows}x{outputs}x{inputs} at {place}: {exact}, {found}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_step_on_the_gpu_is_that_of_pytorch() {
    let device = gpu();
    let mut model = TrainingModel::on(&device, &file(), Precision::Full).unwrap();
    check_a_step(&mut model, 1e-6, 1e-4);
    let mut model = TrainingModel::on(&device, &file(), Precision::Mixed).unwrap();
    check_a_step(&mut model, 2e-3, 0.05);
}

#[test]
fn a_step_on_the_gpu_can_be_repeated_to_the_last_bit() {
    let device = gpu();
    for precision in [Precision::Full, Precision::Mixed] {
        let mut model = TrainingModel::on(&device, &file(), precision).unwrap();
        let adapter = adapter(&model);
        let batch = batch(&[90, 33, 200], 271);
        let first = gradients(&mut model, &adapter, &batch);
        assert_eq!(first, gradients(&mut model, &adapter, &batch));
        assert!(norm(first.1) > 0.0);
    }
}

/// Two models share a GPU and its memory for rows on their way.
#[test]
fn two_models_at_once_do_not_disturb_each_other() {
    let device = gpu();
    let alone = |device: &Device| -> Result<f64, GraphError> {
        let mut model = TrainingModel::on(device, &file(), Precision::Full)?;
        Ok(model.loss(Trained::None, &batch(&[90, 33, 200], 271))?.sum)
    };
    let expected = alone(&device).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| alone(&device))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(expected));
        }
    });
}
