# frozen_string_literal: true

# Starts `vectors/server.py`, scripts its answers, and reads the requests that it received.

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))
require "json"
require "net/http"
require "open3"
require "sluice"

module Script
  VECTORS = File.expand_path("../../vectors", __dir__)
  STDIN_PIPE, STDOUT_PIPE, = Open3.popen2("python3", "#{VECTORS}/server.py")
  ORIGIN = "http://127.0.0.1:#{STDOUT_PIPE.gets.split[1]}"

  module_function

  def vectors(name)
    JSON.parse(File.read("#{VECTORS}/#{name}.json", encoding: "UTF-8"))
  end

  # Scripts these answers; returns the base URL of the requests that get them.
  def script(answers)
    answer = Net::HTTP.post(URI("#{ORIGIN}/_script"), JSON.generate({ answers: answers }), "content-type" => "application/json")
    ORIGIN + JSON.parse(answer.body)["base"]
  end

  def seen(base)
    JSON.parse(Net::HTTP.get(URI("#{ORIGIN}/_seen#{base.delete_prefix(ORIGIN)}")))["requests"]
  end

  # Whether every field of `part` is in `whole`.
  def part?(part, whole)
    return part == whole unless part.is_a?(Hash)

    whole.is_a?(Hash) && part.all? { |key, value| whole.key?(key) && part?(value, whole[key]) }
  end
end
