//! The load: so many connections that each ask again as soon as they are answered, or a fixed rate whatever happens.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::mpsc,
    task::LocalSet,
    time::{Instant, sleep_until},
};

use crate::http::Wire;

/// What to ask, how often and how long.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Where the gateway listens; several take turns.
    #[arg(long, required = true)]
    address: Vec<SocketAddr>,
    #[arg(long, default_value = "none")]
    key: String,
    /// What stands before the key in `authorization`.
    #[arg(long, default_value = "Bearer")]
    scheme: String,
    #[arg(long, default_value = "m")]
    model: String,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Requests a second, at even distances; a request that has to wait counts from when it was due.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long)]
    stream: bool,
}

#[derive(Default)]
struct Measured {
    first: Vec<Duration>,
    total: Vec<Duration>,
    failed: usize,
    said: Option<String>,
}

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let measured = Rc::new(RefCell::new(Measured::default()));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(options.seconds);
    LocalSet::new()
        .run_until(async {
            match options.rate {
                None => closed(&options, until, &measured).await,
                Some(rate) => open(&options, rate, until, &measured).await,
            }
        })
        .await?;
    let took = begun.elapsed().as_secs_f64();
    let mut measured = measured.borrow_mut();
    measured.first.sort_unstable();
    measured.total.sort_unstable();
    let of = |all: &[Duration], part: f64| {
        let at = ((all.len() as f64 - 1.0).max(0.0) * part).round() as usize;
        all.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    println!(
        "{} answers, {} failed, {:.0}/s, first byte p50 {:.3} ms p99 {:.3} ms, whole p50 {:.3} ms p99 {:.3} ms",
        measured.total.len(),
        measured.failed,
        measured.total.len() as f64 / took,
        of(&measured.first, 0.5),
        of(&measured.first, 0.99),
        of(&measured.total, 0.5),
        of(&measured.total, 0.99),
    );
    if let Some(said) = &measured.said {
        println!("the first failure: {said}");
    }
    Ok(())
}

/// Each connection asks again as soon as it is answered.
async fn closed(
    options: &Options,
    until: Instant,
    measured: &Rc<RefCell<Measured>>,
) -> anyhow::Result<()> {
    let mut tasks = Vec::new();
    for number in 0..options.connections {
        let (options, measured) = (options.clone(), Rc::clone(measured));
        tasks.push(tokio::task::spawn_local(async move {
            let request = options.request();
            let mut wire = options.connect(number).await?;
            while Instant::now() < until {
                let begun = Instant::now();
                ask(&mut wire, &request, options.stream, begun, &measured).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Requests are due at fixed times; connections take them in turn.
async fn open(
    options: &Options,
    rate: f64,
    until: Instant,
    measured: &Rc<RefCell<Measured>>,
) -> anyhow::Result<()> {
    let (tell, due) = mpsc::unbounded_channel::<Instant>();
    let due = Rc::new(tokio::sync::Mutex::new(due));
    let mut tasks = Vec::new();
    for number in 0..options.connections {
        let (options, measured, due) = (options.clone(), Rc::clone(measured), Rc::clone(&due));
        tasks.push(tokio::task::spawn_local(async move {
            let request = options.request();
            let mut wire = options.connect(number).await?;
            loop {
                let next = due.lock().await.recv().await;
                let Some(at) = next else {
                    return anyhow::Ok(());
                };
                ask(&mut wire, &request, options.stream, at, &measured).await?;
            }
        }));
    }
    let begun = Instant::now();
    for number in 0_u32.. {
        let at = begun + Duration::from_secs_f64(f64::from(number) / rate);
        if at >= until {
            break;
        }
        // Timers tick in milliseconds; the last of the wait is spent looking at the clock.
        if at > Instant::now() + Duration::from_millis(2) {
            sleep_until(at - Duration::from_millis(1)).await;
        }
        while Instant::now() < at {
            tokio::task::yield_now().await;
        }
        tell.send(at).context("nobody asks any more")?;
    }
    drop(tell);
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn ask(
    wire: &mut Wire,
    request: &[u8],
    is_stream: bool,
    begun: Instant,
    measured: &Rc<RefCell<Measured>>,
) -> anyhow::Result<()> {
    wire.stream.write_all(request).await?;
    let head = wire.head().await?.context("the gateway closed")?;
    let mut first = None;
    let body = wire
        .body(&head, || {
            first.get_or_insert_with(|| begun.elapsed());
        })
        .await?;
    let total = begun.elapsed();
    let mut measured = measured.borrow_mut();
    // A stream that breaks off ends without this.
    let is_whole = !is_stream || body.trim_ascii_end().ends_with(b"data: [DONE]");
    if head.line.contains(" 200 ") && is_whole {
        measured.first.push(first.unwrap_or(total));
        measured.total.push(total);
    } else {
        measured.failed += 1;
        measured
            .said
            .get_or_insert_with(|| format!("{} {}", head.line, String::from_utf8_lossy(&body)));
    }
    Ok(())
}

impl Options {
    async fn connect(&self, number: usize) -> anyhow::Result<Wire> {
        let address = self
            .address
            .get(number % self.address.len().max(1))
            .context("no address")?;
        Wire::new(TcpStream::connect(address).await?)
    }

    fn request(&self) -> Vec<u8> {
        let stream = if self.stream { ",\"stream\":true" } else { "" };
        let body = format!(
            "{{\"model\":\"{}\",\"max_tokens\":20,\"messages\":[{{\"role\":\"user\",\"content\":\
             \"Wanneer kan ik bij het archief terecht?\"}}]{stream}}}",
            self.model
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: {} {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.scheme,
            self.key,
            body.len()
        )
        .into()
    }
}
