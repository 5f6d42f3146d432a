# frozen_string_literal: true

# The batcher: it is bounded, reports each event's result, flushes at the end, and survives forks.

require_relative "script"
require "minitest/autorun"

class TestBatcher < Minitest::Test
  include Script

  ECHO = { "echo" => "events", "repeat" => true }.freeze

  def refused(status, code, details = nil)
    headers = status == 503 ? { "retry-after" => "0" } : {}
    { status: status, headers: headers, body: { error: { code: code, message: "because", request_id: "r", details: details } } }
  end

  # The payloads of each request.
  def sent(base)
    seen(base).map { |request| JSON.parse(request["text"]).map { |event| event["payload"] } }
  end

  def start(answers, client: {}, **options)
    base = script(answers)
    batcher = Sluice::Client.new("k", base_url: base, **client).batcher(**options)
    [base, batcher, ->(n) { batcher.add({ payload: n }) }]
  end

  def test_events_go_in_order_and_each_has_its_id
    base, batcher, add = start([ECHO], batch_events_max: 40, queue_events_max: 60)
    queued = (0...100).map(&add)
    batcher.close
    assert_equal((0...100).map { |n| "id-#{n}" }, queued.map { |one| one.value(0) })
    assert_equal (0...100).to_a, sent(base).flatten
    assert_operator sent(base).map(&:size).max, :<=, 40
  end

  def test_a_refused_event_does_not_touch_its_neighbours
    events = [{ index: 0, event_id: "a" }, { index: 1, error: { code: "INVALID_EVENT", message: "bad" } }]
    _, batcher, add = start([{ status: 202, body: { accepted: 1, rejected: 1, events: events } }])
    good, bad = [1, 2].map(&add)
    batcher.close
    assert_equal "a", good.value
    assert_equal "INVALID_EVENT", assert_raises(Sluice::EventRejected) { bad.value }.code
  end

  def test_if_all_are_refused_each_is_told_why
    events = [0, 1].map { |index| { index: index, error: { code: "C#{index}", message: "bad" } } }
    _, batcher, add = start([refused(400, "ALL_REJECTED", { accepted: 0, rejected: 2, events: events })])
    queued = [0, 1].map(&add)
    batcher.close
    queued.each_with_index { |one, index| assert_equal "C#{index}", assert_raises(Sluice::EventRejected) { one.value }.code }
  end

  def test_a_batch_that_is_too_large_for_the_server_is_halved
    base, batcher, add = start([refused(413, "TOO_MANY_EVENTS"), ECHO])
    queued = (0...5).map(&add)
    batcher.close
    assert_equal "id-4", queued[4].value
    assert_equal [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4]], sent(base)
    assert_equal 3, seen(base).map { |request| request["headers"]["idempotency-key"] }.uniq.size
  end

  def test_a_failed_batch_is_repeated_with_the_same_bytes_and_key
    base, batcher, add = start([refused(503, "OVERLOADED"), { fault: "close" }, ECHO])
    assert_equal "id-1", add.call(1).value(60)
    batcher.close
    all = seen(base)
    assert_equal [3, 1], [all.size, all.map { |request| [request["wire"], request["headers"]["idempotency-key"]] }.uniq.size]
  end

  def test_a_batch_that_stays_refused_fails_each_event
    _, batcher, add = start([refused(401, "INVALID_API_KEY")])
    assert_raises(Sluice::ApiError) { add.call(1).value(60) }
    batcher.close
  end

  def test_a_full_queue_raises_or_waits
    _, batcher, add = start([{ fault: "stall" }, ECHO], client: { timeout: 1 }, queue_events_max: 2, when_full: :raise, linger_ms: 0)
    queued = [0, 1].map(&add)
    assert_raises(Sluice::BatcherFull) { add.call(2) }
    batcher.close
    assert_equal "id-1", queued[1].value

    _, batcher, add = start([{ fault: "stall" }, ECHO], client: { timeout: 1 }, queue_events_max: 1, linger_ms: 0)
    add.call(0)
    assert_raises(Sluice::BatcherFull) { batcher.add({ payload: 1 }, timeout: 0.01) }
    assert_equal "id-2", add.call(2).value(60)
    batcher.close
  end

  def test_many_threads_share_it
    base, batcher, add = start([ECHO], queue_events_max: 50, batch_events_max: 20)
    threads = (0...5).map { |n| Thread.new { (n * 200...(n + 1) * 200).map(&add) } }
    ids = threads.flat_map { |thread| thread.value.map { |one| one.value(60) } }
    batcher.close
    assert_equal 1000, ids.uniq.size
    assert_equal (0...1000).to_a, sent(base).flatten.sort
  end

  def test_flush_does_not_wait_for_the_linger
    _, batcher, add = start([ECHO], linger_ms: 600_000)
    one = add.call(1)
    assert batcher.flush(60)
    assert_equal "id-1", one.value(0)
    batcher.close
  end

  def test_what_cannot_be_sent_is_refused_at_once
    batcher = Sluice::Client.new("k").batcher
    assert_raises(Sluice::EventTooLarge) { batcher.add({ payload: "x" * 262_144 }) }
    assert_raises(JSON::GeneratorError) { batcher.add({ payload: Float::NAN }) }
    batcher.close
    assert_raises(Sluice::BatcherClosed) { batcher.add({ payload: 1 }) }
  end

  def test_closing_in_time_fails_what_could_not_be_sent
    batcher = Sluice::Client.new("k", base_url: "http://127.0.0.1:1").batcher(linger_ms: 0, batch_events_max: 1)
    queued = (0...3).map { |n| batcher.add({ payload: n }) }
    batcher.close(0.05)
    queued.each { |one| assert_raises(Sluice::BatcherClosed) { one.value(60) || flunk("no result") } }
    assert batcher.flush(60)
  end

  def test_absurd_options_are_refused
    [{ batch_events_max: 0 }, { when_full: :drop }, { batch_bytes_max: 10 }, { queue_bytes_max: 10 }, { linger_ms: -1 }, { lingerr: 1 }].each do |bad|
      assert_raises(ArgumentError, bad.to_s) { Sluice::Client.new("k").batcher(**bad) }
    end
  end

  def run_script(base, text)
    head = "require 'sluice'\nclient = Sluice::Client.new('k', base_url: #{base.inspect})\n"
    out, status = Open3.capture2e("ruby", "-w", "-I", File.expand_path("../lib", __dir__), "-e", head + text)
    assert_equal ["", 0], [out, status.exitstatus]
  end

  def test_the_end_of_the_process_flushes
    base = script([ECHO])
    run_script(base, "b = client.batcher(linger_ms: 600_000)\nb.add({ payload: 1 })\n")
    assert_equal [[1]], sent(base)
  end

  def test_a_fork_neither_loses_nor_repeats_events
    base = script([ECHO])
    run_script(base, <<~RUBY)
      batcher = client.batcher(linger_ms: 600_000)
      first = batcher.add({ payload: 1 })
      child = fork do
        second = batcher.add({ payload: 2 })
        batcher.flush(60)
        second.value(0) == "id-2" or abort "no id"
      end
      Process.wait2(child)[1].success? or abort "the child failed"
      batcher.add({ payload: 3 })
      batcher.flush(60)
      first.value(0) == "id-1" or abort "no id"
    RUBY
    assert_equal [[2], [1, 3]], sent(base)
  end

  def test_forks_while_threads_send
    base = script([ECHO])
    run_script(base, <<~RUBY)
      batcher = client.batcher(linger_ms: 1, batch_events_max: 7)
      threads = 3.times.map { |n| Thread.new { 300.times { |m| batcher.add({ payload: n * 300 + m }) } } }
      10.times do |n|
        child = fork { batcher.add({ payload: 10_000 + n }).value(60) or abort "no id" }
        Process.wait2(child)[1].success? or abort "the child failed"
      end
      threads.each(&:join)
      batcher.close
    RUBY
    assert_equal (0...900).to_a + (10_000...10_010).to_a, sent(base).flatten.sort
  end
end
