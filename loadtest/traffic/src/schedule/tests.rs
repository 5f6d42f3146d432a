use super::*;

fn schedule(profile: &RateProfile, arrivals: ArrivalSpread, phase: f64) -> Schedule {
    Schedule::new(profile, arrivals, ScheduleShare { share: 1.0, phase, seed: 7 })
}

fn constant(per_second: f64, phase: f64) -> Schedule {
    schedule(&RateProfile::constant(per_second), ArrivalSpread::Even, phase)
}

fn due_in(schedule: &mut Schedule, until_ms: u64) -> usize {
    schedule.take_due(Duration::from_millis(until_ms), usize::MAX)
}

#[test]
fn requests_are_evenly_spaced() {
    let mut schedule = constant(1000.0, 0.5);
    let times: Vec<_> = (0..3).map(|_| schedule.take().as_micros()).collect();
    assert_eq!(times, [500, 1500, 2500]);
}

#[test]
fn what_is_due_is_counted_once() {
    let mut schedule = constant(1000.0, 0.0);
    assert_eq!(schedule.take_due(Duration::from_millis(10), 100), 11);
    assert_eq!(schedule.take_due(Duration::from_millis(10), 100), 0);
    assert_eq!(schedule.take_due(Duration::from_millis(20), 4), 4);
    assert_eq!(schedule.take_due(Duration::from_millis(20), 100), 6);
}

#[test]
fn a_rate_is_kept_over_a_day_without_drift() {
    let mut schedule = constant(3.0, 0.0);
    let last = (0..=3 * 86_400).map(|_| schedule.take()).last();
    assert_eq!(last.map(|due| due.as_millis()), Some(86_400_000));
}

#[test]
fn steps_follow_one_another_and_end() {
    let profile = "100/1s,0/1s,300/1s".parse().expect("a profile");
    let mut schedule = schedule(&profile, ArrivalSpread::Even, 0.5);
    assert_eq!(due_in(&mut schedule, 1000), 100);
    assert_eq!(due_in(&mut schedule, 2000), 0);
    assert_eq!(due_in(&mut schedule, 2500), 150);
    assert_eq!(due_in(&mut schedule, 9000), 150);
    assert_eq!(schedule.peek(), Duration::MAX);
}

#[test]
fn a_ramp_sends_as_much_as_the_area_under_it() {
    for (text, whole, half) in [("0..1000/2s", 1000, 250), ("1000..0/2s", 1000, 750)] {
        let mut schedule = schedule(&text.parse().expect("a profile"), ArrivalSpread::Even, 0.5);
        assert_eq!(due_in(&mut schedule, 1000), half, "{text}");
        assert_eq!(due_in(&mut schedule, 2000), whole - half, "{text}");
    }
}

#[test]
fn bursts_come_back() {
    let (length, period) = (Duration::from_millis(100), Duration::from_secs(1));
    let profile = RateProfile::burst(100.0, 10.0, length, period).expect("a burst");
    let mut schedule = schedule(&profile, ArrivalSpread::Even, 0.5);
    for nth in 0..20 {
        assert_eq!(due_in(&mut schedule, nth * 1000 + 900), 90, "{nth}");
        assert_eq!(due_in(&mut schedule, nth * 1000 + 1000), 100, "{nth}");
    }
}

#[test]
fn poisson_arrivals_have_the_mean_and_the_variance_of_their_rate() {
    let mut schedule = schedule(&RateProfile::constant(1000.0), ArrivalSpread::Poisson, 0.0);
    let counts: Vec<_> = (1..=2000).map(|nth| due_in(&mut schedule, nth * 20) as f64).collect();
    let mean = counts.iter().sum::<f64>() / 2000.0;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 1999.0;
    // Twenty a window: standard errors are 0.1 and 0.65.
    assert!((mean - 20.0).abs() < 0.5, "{mean}");
    assert!((variance - 20.0).abs() < 3.0, "{variance}");
}

#[test]
fn clones_give_the_same_times() {
    let mut first = schedule(&RateProfile::constant(50.0), ArrivalSpread::Poisson, 0.0);
    let mut second = first.clone();
    assert!((0..1000).all(|_| first.take() == second.take()));
}
