# frozen_string_literal: true

# The vectors that every SDK passes.

require_relative "script"
require "minitest/autorun"

class TestVectors < Minitest::Test
  include Script

  RETRIES, REQUESTS, LIMITS, SIGNATURES = %w[retries requests limits signatures].map { |name| Script.vectors(name) }

  def self.each_case(group, cases, &block)
    cases.each { |one| define_method("test_#{group}: #{one["name"]}") { instance_exec(one, &block) } }
  end

  def call_of(client, one)
    arguments = one.fetch("path", []) + (one.key?("body") ? [one["body"]] : [])
    options = one.fetch("query", {}).transform_keys(&:to_sym)
    options[:idempotency_key] = one["key"] if one["key"]
    client.public_send(one["op"], *arguments, **options)
  end

  def settled
    [yield, nil]
  rescue Sluice::Error => e
    [nil, e]
  end

  def plain(value)
    value.respond_to?(:to_h) && !value.nil? ? value.to_h : value
  end

  def assert_part(part, whole)
    assert part?(part, whole), whole.inspect
  end

  each_case("signatures", SIGNATURES["cases"]) do |one|
    body = one["body"].unpack1("m0")
    value, error = settled { Sluice.verify(body, one["headers"], one["secrets"], now_s: one["now_s"]) }
    one["error"] ? assert_equal(one["error"], error&.reason.to_s) : assert_nil(error)
    one["value"].nil? ? assert_nil(value) : assert_equal(one["value"], value)
    rack = one["headers"].to_h { |name, text| ["HTTP_#{name.upcase.tr("-", "_")}", text] }
    _, again = settled { Sluice.verify(body, rack, one["secrets"], now_s: one["now_s"]) }
    assert_equal(one["error"].to_s, again&.reason.to_s)
  end

  def test_ed25519_is_rfc_8032
    SIGNATURES["ed25519"].each do |one|
      bytes, message, signature = %w[public_key message signature].map { |name| [one[name]].pack("H*") }
      key = Sluice::Webhook::Key.new("v1a", bytes)
      assert key.signed?(signature, message)
      refute key.signed?(signature, "#{message}x")
    end
  end

  def test_each_failure_is_repeated_as_the_vector_says
    policy = Sluice::RetryPolicy.new(**RETRIES["policy"].transform_keys(&:to_sym))
    RETRIES["decisions"].each do |one|
      given = one["outcome"]
      failure =
        if given["fault"]
          Sluice::RetryPolicy::Fault.new(given["fault"].to_sym)
        else
          Sluice::RetryPolicy::Refusal.new(given["status"], given.fetch("code", ""), given["retry_after"], given["outcome"] == "unknown")
        end
      waits = [0, 1].map { |random| policy.wait_ms(one["method"], one["keyed"], one["failures"], failure, one["now_ms"], random) }
      assert_equal one["wait_ms"] || [nil, nil], waits, one["name"]
    end
  end

  each_case("sequences", RETRIES["sequences"]) do |one|
    base = script(one["answers"])
    options = RETRIES["sequence_options"].transform_keys(&:to_sym)
    timeout = options.delete(:timeout_ms) / 1000.0
    client = Sluice::Client.new("sk_test_1", base_url: base, timeout: timeout, retry_policy: Sluice::RetryPolicy.new(**options))
    result, error = settled { call_of(client, one) }
    all = seen(base)
    assert_equal one["requests"], all.size
    assert_equal 1, all.map { |request| request["wire"] }.uniq.size
    keys = all.map { |request| request["headers"]["idempotency-key"] }.uniq
    assert_equal [1, one.fetch("keyed", true)], [keys.size, !keys[0].nil?]
    if one["result"]
      assert_nil error
      assert_part one["result"], plain(result)
    elsif one["fault"]
      assert_equal one["fault"].to_sym, error.fault
    else
      one["error"].each { |name, value| assert_equal value, error.public_send(name) }
    end
  end

  def test_a_server_that_is_not_there_is_a_connect_fault
    client = Sluice::Client.new("k", base_url: "http://127.0.0.1:1", retry_policy: Sluice::RetryPolicy.new(max_retries: 1, base_ms: 1))
    error = assert_raises(Sluice::NetworkError) { client.send_event({ payload: 1 }) }
    assert_equal [:connect, false], [error.fault, error.outcome_unknown?]
  end

  each_case("requests", REQUESTS["requests"]) do |one|
    base = script(one["answers"])
    result = call_of(Sluice::Client.new("sk_test_1", base_url: "#{base}/"), one)
    all = seen(base)
    assert_equal 1, all.size
    request = all[0]
    expect = one["expect"]
    assert_equal [expect["method"], expect["target"]], [request["method"], request["target"]]
    assert_part expect.fetch("headers", {}), request["headers"]
    expect.fetch("absent", []).each { |name| refute_includes request["headers"], name }
    assert_equal expect["json"], JSON.parse(request["text"]) if expect.key?("json")
    assert_match(/\A[0-9a-f-]{36}\z/, request["headers"]["idempotency-key"]) if expect["fresh_key"]
    assert_part one["result"], plain(result) if one["result"]
  end

  def test_records_read_like_objects
    one = REQUESTS["requests"].find { |request| request["op"] == "get_event" }
    event = call_of(Sluice::Client.new("sk_test_1", base_url: script(one["answers"])), one)
    assert_equal ["halfway", true, { "a" => nil }], [event.status, event["later"], event.payload]
    assert_equal "Sluice::Types::StoredEvent", event.class.name
  end

  def test_pages_are_one_iterator
    REQUESTS["pages"].each do |one|
      base = script(one["answers"])
      assert_equal one["items"], call_of(Sluice::Client.new("sk_test_1", base_url: base), one).map(&:event_id)
      assert_equal one["targets"], seen(base).map { |request| request["target"] }
    end
  end

  each_case("streams", REQUESTS["streams"]) do |one|
    base = script(one["answers"])
    client = Sluice::Client.new("sk_test_1", base_url: base, retry_policy: Sluice::RetryPolicy.new(base_ms: 1, cap_ms: 2))
    stream = client.stream(**one["query"].transform_keys(&:to_sym), last_event_id: one["last_event_id"])
    items = []
    _, error = settled do
      stream.each do |event|
        items << event.event_id
        break if items.size == one["items"].size
      end
    end
    assert_equal one["items"], items
    assert_part one.fetch("error", {}), error ? { "status" => error.status, "code" => error.code } : {}
    assert_equal one["ends_at"], stream.last_event_id if one["ends_at"]
    all = seen(base)
    assert_equal one["last_event_ids"], all.map { |request| request["headers"]["last-event-id"] }
    assert_equal [one["targets"]], all.map { |request| request["target"].split(/[?&]start_time/)[0] }.uniq
  end

  def test_an_error_of_the_callers_block_ends_the_stream
    base = script(REQUESTS["streams"][0]["answers"])
    error = assert_raises(Sluice::NetworkError) do
      Sluice::Client.new("k", base_url: base).stream.each { raise Sluice::NetworkError.new(:broken, "mine") }
    end
    assert_equal "mine", error.message
  end

  def test_the_defaults
    wanted = LIMITS["defaults"]
    wanted["batcher"].each { |name, value| assert_equal value, Sluice::BatchLimits::DEFAULTS[name.to_sym], name }
    policy = Sluice::RetryPolicy.new
    %w[max_retries base_ms cap_ms retry_after_max_ms].each { |name| assert_equal wanted[name], policy.public_send(name), name }
    assert_equal wanted["tolerance_s"], Sluice::Webhook::TOLERANCE_S
    core = Sluice::Client.new("k").instance_variable_get(:@core)
    assert_equal wanted["gzip_min_bytes"], core.target.instance_variable_get(:@gzip_min_bytes)
    assert_equal [wanted["timeout_ms"], wanted["connect_timeout_ms"]],
                 %i[@timeout @connect_timeout].map { |name| core.transport.instance_variable_get(name) * 1000 }
  end

  def test_batches_are_cut_as_the_vector_says
    LIMITS["cuts"].each do |one|
      rest = one["sizes"].dup
      found = []
      found << rest.shift(Sluice::BatchLimits.cut(rest, one["events_max"], one["bytes_max"])).size until rest.empty?
      assert_equal one["batches"], found, one["name"]
    end
  end

  def test_a_queue_is_full_when_the_vector_says
    LIMITS["queue"].each do |one|
      limits = Sluice::BatchLimits.new(queue_events_max: one["queue_events_max"], queue_bytes_max: one["queue_bytes_max"], event_bytes_max: 1)
      events = bytes = 0
      full = one["sizes"].map do |size|
        room = limits.fits?(events, bytes, size)
        events, bytes = events + 1, bytes + size if room
        !room
      end
      assert_equal one["full"], full, one["name"]
    end
  end
end
