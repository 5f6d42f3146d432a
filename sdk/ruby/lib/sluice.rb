# frozen_string_literal: true

# Sluice: send events, read them, and verify the webhooks that carry them.
module Sluice
end

require_relative "sluice/version"
require_relative "sluice/errors"
require_relative "sluice/types"
require_relative "sluice/client"
require_relative "sluice/webhook"
