//! Sends requests at a fixed rate, whatever becomes of those before, and tells how long each was waited for:
//!
//! `sluice-pace HOST:PORT REQUESTS-A-SECOND CONNECTIONS SECONDS WARM-SECONDS < request`
//!
//! Each connection has a thread and a timetable of its own. A request that cannot leave in time, because the answer before it
//! has not come, is counted from the time at which it should have left: a proxy that stops for a moment is not asked less.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What is sent to whom, and when.
struct Plan {
    address: String,
    request: Vec<u8>,
    /// From one request of a connection to its next.
    interval: Duration,
    began: Instant,
    warm: Duration,
    whole: Duration,
}

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<String> {
    let mut arguments = std::env::args();
    let _program = arguments.next();
    let address = arguments.next().ok_or_else(|| invalid("HOST:PORT is missing"))?;
    let mut number = |name: &str| -> io::Result<f64> {
        let text = arguments.next().ok_or_else(|| invalid(name))?;
        text.parse().map_err(|_| invalid(name))
    };
    let rate = number("REQUESTS-A-SECOND")?;
    let connections = number("CONNECTIONS")?;
    let seconds = number("SECONDS")?;
    let warm = number("WARM-SECONDS")?;
    let mut request = Vec::new();
    io::stdin().read_to_end(&mut request)?;
    let plan = Arc::new(Plan {
        address,
        request,
        interval: Duration::from_secs_f64(connections / rate),
        // By then all threads are there.
        began: Instant::now() + Duration::from_millis(200),
        warm: Duration::from_secs_f64(warm),
        whole: Duration::from_secs_f64(warm + seconds),
    });
    let mut threads = Vec::new();
    let mut offset = Duration::ZERO;
    for _ in 0..connections as usize {
        let plan = Arc::clone(&plan);
        threads.push(thread::spawn(move || keep_up(&plan, offset)));
        offset += Duration::from_secs_f64(1.0 / rate);
    }
    let mut waits = Vec::new();
    for thread in threads {
        waits.extend(thread.join().map_err(|_| invalid("a thread panicked"))??);
    }
    waits.sort_unstable();
    Ok(report(&waits))
}

/// Follows one connection's timetable. Gives the wait of each request after the warm-up, in microseconds.
fn keep_up(plan: &Plan, offset: Duration) -> io::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(&plan.address)?;
    stream.set_nodelay(true)?;
    // A proxy that has stopped answering is told as one, and not waited for.
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = vec![0; 65_536];
    let mut waits = Vec::new();
    let mut due = offset;
    while due < plan.whole {
        let at = plan.began + due;
        thread::sleep(at.saturating_duration_since(Instant::now()));
        stream.write_all(&plan.request)?;
        read_answer(&mut stream, &mut buffer)?;
        if due >= plan.warm {
            waits.push(u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        due += plan.interval;
    }
    Ok(waits)
}

/// Reads one answer of a known length, which must be a 200.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).ok_or_else(|| invalid("a head without end"))?;
        let count = stream.read(room)?;
        if count == 0 {
            return Err(invalid("the connection ended"));
        }
        filled += count;
        let come = buffer.get(..filled).unwrap_or_default();
        let Some(head) = come.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(come.get(..head).unwrap_or_default()).to_ascii_lowercase();
        if !text.starts_with("http/1.1 200 ") {
            return Err(invalid("an answer that is no 200"));
        }
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| invalid("an answer without a length"))?;
        let mut left = (head + 4 + length).saturating_sub(filled);
        while left > 0 {
            let count = stream.read(buffer)?;
            if count == 0 {
                return Err(invalid("the connection ended in a body"));
            }
            left = left.saturating_sub(count);
        }
        return Ok(());
    }
}

/// JSON, in microseconds.
fn report(sorted: &[u64]) -> String {
    let at = |share: f64| -> u64 {
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    };
    let (half, p99, p999) = (at(0.5), at(0.99), at(0.999));
    let count = sorted.len();
    format!(r#"{{"requests":{count},"p50":{half},"p99":{p99},"p999":{p999}}}"#)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}
