# frozen_string_literal: true

# Sends EVENTS events through the batcher and writes what became of each to RESULTS.

require "sluice"

client = Sluice::Client.new(ENV.fetch("SLUICE_API_KEY"), base_url: ENV.fetch("SLUICE_URL"))
told = Queue.new
writer = Thread.new do
  File.open(ENV.fetch("RESULTS"), "w") do |results|
    while (number, queued = told.pop)
      results.write("#{number} #{queued.value}\n")
    end
  rescue Sluice::Error => e
    results.write("#{number} ! #{e.message}\n")
    retry
  end
end
client.batcher(batch_events_max: 200, queue_events_max: 2000) do |batcher|
  Integer(ENV.fetch("EVENTS")).times do |number|
    told.push([number, batcher.add({ event_type: "soak", payload: { n: number } })])
  end
end
told.close
writer.join
