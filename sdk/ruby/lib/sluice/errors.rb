# frozen_string_literal: true

# The errors of the SDK. Sluice::Error is the base of all others.
module Sluice
  class Error < StandardError; end

  # The server refused the request, or could not do it after all retries.
  class ApiError < Error
    # `code` is stable: programs may rely on it; UNKNOWN if the answer was not in the API's shape.
    # `details` is for programs: `field`, `pointer`, a limit, `outcome`.
    attr_reader :status, :code, :reason, :details, :request_id, :retry_after_ms

    def initialize(status, code, reason, details: nil, request_id: nil, retry_after_ms: nil)
      super("#{status} #{code}: #{reason} (request #{request_id || "unknown"})")
      @status = status
      @code = code
      @reason = reason
      @details = details
      @request_id = request_id
      @retry_after_ms = retry_after_ms
    end

    # Whether the events may have been accepted all the same.
    def outcome_unknown?
      details.is_a?(Hash) && details["outcome"] == "unknown"
    end
  end

  # No complete answer came, after all retries. `fault` is :connect (the request was certainly not
  # sent), :timeout or :broken.
  class NetworkError < Error
    attr_reader :fault

    def initialize(fault, message)
      super(message)
      @fault = fault
    end

    # Whether the server may have done the request although it reported no success.
    def outcome_unknown?
      fault != :connect
    end
  end

  # The server refused one event; its neighbours are not affected.
  class EventRejected < Error
    attr_reader :code, :reason

    def initialize(code, reason)
      super("#{code}: #{reason}")
      @code = code
      @reason = reason
    end
  end

  # An event has more bytes than the batcher may send.
  class EventTooLarge < Error; end

  # The batcher's queue has no room, or none became free in time.
  class BatcherFull < Error; end

  # The batcher was closed before the event was sent.
  class BatcherClosed < Error; end

  # A webhook must not be trusted. `reason` is :header (absent or malformed), :timestamp (too old or
  # too new), :signature (no signature is by one of the secrets), :secret (a secret is malformed or
  # there is none) or :body (the signature is right, but the body is not JSON).
  class WebhookError < Error
    attr_reader :reason

    def initialize(reason, message)
      super(message)
      @reason = reason
    end
  end
end
