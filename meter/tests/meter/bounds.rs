//! What is paid for what, where it ends, and what is refused.

use crate::run::{LIMITS, Outcome, Run};
use sluice_meter::{
    CALL, FUEL, FUEL_LIMIT, GROWS_REFUSED, Limits, Metering, OFFSETS, REFUEL, original_offset, rewrite,
};
use wasmi::Val;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {text})")).unwrap()
}

fn run(text: &str) -> Run {
    Run::metered(&module(text)).unwrap()
}

/// What a call of `f` consumes.
fn used(text: &str, argument: i32) -> i32 {
    let mut run = run(text);
    let outcome = run.call(&format!("{CALL}f"), &[Val::I32(argument)]);
    assert!(matches!(outcome, Outcome::Values(_)), "{outcome:?}");
    i32::MAX - run.global(FUEL).unwrap()
}

#[test]
fn what_never_ends_ends_when_the_fuel_does() {
    for body in [
        "(loop $l (br $l))",
        "(loop $l (br_if $l (i32.const 1)))",
        "(loop $l (loop $m (br_if $m (i32.const 0)) (br $l)))",
        "(loop $l (block $b (br_table $l $b $l (local.get 0))) (br $l))",
        "(loop $l (if (i32.const 1) (then (br $l)) (else (br $l))))",
        "(return_call $f (local.get 0))",
        "(return_call_indirect (param i32) (local.get 0) (i32.const 0))",
        "(loop $l (call $nothing) (br $l))",
        "(loop $l (drop (memory.grow (i32.const 0))) (br $l))",
    ] {
        let mut run = run(&format!(
            "(memory 1) (table 1 funcref) (elem (i32.const 0) $f) (func $nothing)
             (func $f (export \"f\") (param i32) {body})"
        ));
        let limit = run.instance.get_global(&run.store, FUEL_LIMIT).unwrap();
        limit.set(&mut run.store, Val::I32(100_000)).unwrap();
        for _ in 0..2 {
            assert_eq!(run.call(&format!("{CALL}f"), &[Val::I32(3)]), Outcome::OutOfFuel, "{body}");
        }
    }
}

#[test]
fn a_call_begins_with_full_fuel_and_goes_on_with_what_is_left_by_its_own_name() {
    let mut run = run(
        "(func (export \"f\") (loop $l (br_if $l (i32.const 0))) (i32.store (i32.const 0) (i32.const 1))) (memory 1)",
    );
    run.call(&format!("{CALL}f"), &[]);
    let once = i32::MAX - run.global(FUEL).unwrap();
    assert!(once > 0);
    run.call("f", &[]);
    assert_eq!(i32::MAX - run.global(FUEL).unwrap(), 2 * once);
    run.call(&format!("{CALL}f"), &[]);
    assert_eq!(i32::MAX - run.global(FUEL).unwrap(), once);
    run.call(REFUEL, &[]);
    assert_eq!(run.global(FUEL), Some(i32::MAX));
}

#[test]
fn each_round_of_a_loop_is_paid_for_and_what_it_calls() {
    let text = "(memory 1)
        (func $work (param i32) (loop $l (i32.store (i32.const 0) (local.get 0))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export \"f\") (param i32) (local $i i32)
            (loop $l (call $work (i32.const 100)) (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (local.get 0)))))";
    let (one, ten, hundred) = (used(text, 1), used(text, 10), used(text, 100));
    assert_eq!((hundred - ten) / 90, (ten - one) / 9);
    assert!((one..=10 * one).contains(&(ten / 2)), "{one} {ten}");
    assert!(one > 100 * 3, "{one}");
}

#[test]
fn an_arm_that_is_not_taken_costs_nothing_that_counts() {
    let long = "(i32.store (i32.const 0) (i32.load (i32.const 4)))".repeat(500);
    let arms = [
        format!("(if (local.get 0) (then {long}))"),
        format!("(if (i32.eqz (local.get 0)) (then) (else {long}))"),
        format!("(block (br_if 0 (i32.eqz (local.get 0))) {long})"),
        format!("(block $out (block $a (block $b (br_table $a $b (local.get 0))) {long} (br $out)))"),
        format!("(block (block (br_if 1 (i32.eqz (local.get 0)))) {long})"),
    ];
    for arm in arms {
        let text = format!("(memory 1) (func (export \"f\") (param i32) {arm})");
        let (passed, taken) = (used(&text, 0), used(&text, 1));
        assert!(passed < 60, "{passed}: {}", &arm[..60]);
        assert!(taken > 1_500, "{taken}: {}", &arm[..60]);
    }
}

#[test]
fn what_follows_a_branch_is_paid_for_once_in_each_way_there() {
    let after = "(i32.store (i32.const 0) (i32.const 1))".repeat(100);
    let text = format!(
        "(memory 1) (func (export \"f\") (param i32)
            (block (br_if 0 (local.get 0)) (block (br_if 1 (i32.eqz (local.get 0))))) {after})"
    );
    let (one, other) = (used(&text, 0), used(&text, 1));
    assert!((one - other).abs() < 8, "{one} {other}");
    assert!(one > 100 && one < 300, "{one}");
}

#[test]
fn bulk_operations_pay_for_their_length() {
    for operation in ["memory.fill (i32.const 0) (i32.const 1)", "memory.copy (i32.const 0) (i32.const 64)"] {
        let text = format!("(memory 2) (func (export \"f\") (param i32) ({operation} (local.get 0)))");
        let (none, all) = (used(&text, 0), used(&text, 64_000));
        assert_eq!(all - none, 8_000, "{operation}");
    }
    let text = "(table 1000 funcref) (func (export \"f\") (param i32)
        (table.fill 0 (i32.const 0) (ref.null func) (local.get 0)))";
    assert_eq!(used(text, 1_000) - used(text, 0), 500);
}

#[test]
fn the_way_back_from_a_deep_recursion_is_paid_for() {
    let long = "(i32.store (i32.const 0) (i32.load (i32.const 4)))".repeat(200);
    let text = format!(
        "(memory 1) (func $f (export \"f\") (param i32)
            (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))) {long})))"
    );
    let mut run = run(&text);
    let limit = run.instance.get_global(&run.store, FUEL_LIMIT).unwrap();
    limit.set(&mut run.store, Val::I32(20_000)).unwrap();
    assert_eq!(run.call(&format!("{CALL}f"), &[Val::I32(90)]), Outcome::OutOfFuel);
}

#[test]
fn memory_has_its_maximum_and_refusals_are_counted_by_call() {
    let text = "(memory (export \"memory\") 1) (func (export \"f\") (param i32) (result i32) (memory.grow (local.get 0)))";
    let mut run = run(text);
    let grow = |run: &mut Run, pages: i32| {
        let outcome = run.call(&format!("{CALL}f"), &[Val::I32(pages)]);
        (outcome, run.global(GROWS_REFUSED).unwrap(), i32::MAX - run.global(FUEL).unwrap() > 4_000 * pages)
    };
    let values = |value: i32| Outcome::Values(vec![format!("I32({value})")]);
    assert_eq!(grow(&mut run, 14), (values(1), 0, true));
    assert_eq!(grow(&mut run, 2), (values(-1), 1, false));
    assert_eq!(grow(&mut run, -1), (values(-1), 1, true));
    assert_eq!(grow(&mut run, 1), (values(15), 0, true));
    assert_eq!(run.memory().len(), 16 << 16);
}

#[test]
fn a_maximum_that_is_less_stays() {
    let mut run =
        run("(memory 1 2) (func (export \"f\") (param i32) (result i32) (memory.grow (local.get 0)))");
    assert_eq!(run.call("f", &[Val::I32(2)]), Outcome::Values(vec!["I32(-1)".to_owned()]));
}

#[test]
fn what_cannot_be_bounded_is_refused() {
    for (text, sentence) in [
        ("(memory 1) (memory 1)", "has several memories, of which only one can be bounded"),
        ("(memory i64 1)", "has a memory with addresses of 64 bits"),
        ("(memory 1 2 shared)", "shares its memory between threads"),
        ("(import \"a\" \"b\" (memory 1 2 shared))", "shares its memory between threads"),
        ("(memory 17)", "needs 1088 KiB of memory from the start, and may have 1024 KiB"),
        ("(tag)", "has exceptions, which cannot be metered"),
        ("(type (struct))", "has types of the garbage collector, whose memory cannot be bounded"),
        ("(table 70000 funcref)", "has a table of 70000 elements; 65536 may be"),
        (
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            "uses instructions of the proposal threads, whose cost cannot be metered",
        ),
        (
            "(func (drop (ref.i31 (i32.const 0))))",
            "uses instructions of the proposal gc, whose cost cannot be metered",
        ),
        ("(func (export \"sluice-meter:fuel\"))", "exports sluice-meter:fuel, a name that is the host's"),
    ] {
        assert_eq!(rewrite(&module(text), LIMITS).unwrap_err().to_string(), sentence);
    }
    let sentence = rewrite(b"\0asm\x01\0\0\0\x01", LIMITS).unwrap_err().to_string();
    assert!(sentence.starts_with("is no valid module: "), "{sentence}");
}

#[test]
fn a_module_without_code_is_bounded_and_has_no_exports_of_the_meter() {
    let rewritten =
        rewrite(&module("(memory (export \"m\") 1) (table (export \"t\") 1 funcref)"), LIMITS).unwrap();
    let text = String::from_utf8_lossy(&rewritten);
    assert!(!text.contains("sluice-meter"));
    assert!(rewrite(&rewritten, Limits { memory_pages: 0, ..LIMITS }).is_err());
}

#[test]
fn without_metering_the_exports_are_there_and_nothing_is_paid() {
    let text = module("(func (export \"f\") (loop $l (br_if $l (i32.const 0))))");
    let rewritten = rewrite(&text, Limits { metering: Metering::Off, ..LIMITS }).unwrap();
    let mut run = Run::start(&rewritten).unwrap();
    assert_eq!(run.call(&format!("{CALL}f"), &[]), Outcome::Values(vec![]));
    assert_eq!(run.global(FUEL), Some(i32::MAX));
}

#[test]
fn names_and_other_custom_sections_stay_as_they_are_and_offsets_are_mapped() {
    let text = "(@custom \"producers-of-mine\" \"abc\") (memory 1)
        (func $first (param $a i32) (local $b i32) (loop $l (i32.store (i32.const 0) (local.get $b)) (br_if $l (local.get $a))))
        (func $second (call $first (i32.const 0)) (drop (i32.const 11111)) (unreachable))
        (export \"f\" (func $second))";
    let original = module(text);
    let rewritten = rewrite(&original, LIMITS).unwrap();
    let (before, after) = (custom(&original), custom(&rewritten));
    for name in ["name", "producers-of-mine"] {
        assert_eq!(before.iter().find(|(n, _)| n == name), after.iter().find(|(n, _)| n == name), "{name}");
    }
    let map = &after.iter().find(|(name, _)| name == OFFSETS).unwrap().1;
    let (old, new) = (code(&original), code(&rewritten));
    let mut found = 0;
    for (function, (start, body)) in new.iter().enumerate().take(old.len()) {
        let (old_start, old_body) = old[function];
        for at in 0..body.len() {
            let mapped = original_offset(map, u32::try_from(start + at).unwrap()).unwrap_or(0) as usize;
            // A whole instruction with a constant that nothing else has.
            if body[at..].starts_with(&[0x41, 0xe7, 0xd6, 0x00]) {
                assert_eq!(&original[mapped..mapped + 4], &[0x41, 0xe7, 0xd6, 0x00]);
                found += 1;
            }
            let local = at > 4;
            assert!(!local || (old_start..=old_start + old_body.len()).contains(&mapped), "{function} {at}");
        }
    }
    assert_eq!(found, 1);
    assert_eq!(original_offset(map, 0), None);
}

/// Name and contents.
fn custom(module: &[u8]) -> Vec<(String, Vec<u8>)> {
    let payloads = wasmparser::Parser::new(0).parse_all(module);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CustomSection(section) => {
                Some((section.name().to_owned(), section.data().to_vec()))
            }
            _ => None,
        })
        .collect()
}

/// Where each function's body begins, and the body.
fn code(module: &[u8]) -> Vec<(usize, &[u8])> {
    let payloads = wasmparser::Parser::new(0).parse_all(module);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CodeSectionEntry(body) => {
                Some((usize::try_from(body.range().start).unwrap(), body.as_bytes()))
            }
            _ => None,
        })
        .collect()
}
