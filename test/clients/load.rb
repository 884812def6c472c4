# ActiveRecord: see README.md.  The argument is a file with the block of docs/clients.md.
require 'active_record'
require 'pg'

ActiveRecord::Base.establish_connection(
  url: ENV.fetch('DATABASE_URL'), adapter: 'postgresql', pool: 20, prepared_statements: false, advisory_locks: false
)
ActiveRecord::Base.logger = nil
eval(File.read(ARGV[0]), TOPLEVEL_BINDING)

def user(n) = format('00000000-0000-0000-0000-0000000001%02d', n)
def team(n) = format('00000000-0000-0000-0000-0000000002%02d', n)
def values(statement) = ActiveRecord::Base.connection.select_values(statement)
def assert(condition, message) = condition || raise(Exception, message)

class HalfWay < StandardError; end

ROWS = 'SELECT tenant_id FROM note'.freeze
WHO = 'SELECT teamrbac.current_user_id()'.freeze
COUNT = 'UPDATE note SET n = n + 1 WHERE id = %d RETURNING n'.freeze

def fail_half_way(i)
  as(user(i % 20)) do
    values(format(COUNT, 2))
    values('SELECT 1 / 0') if i.even?
    raise HalfWay
  end
  assert(false, 'a failure was swallowed')
rescue HalfWay, ActiveRecord::StatementInvalid => e
  assert(e.is_a?(HalfWay) || e.message.include?('division by zero'), e.message)
end

def request(i)
  n = i % 20
  case i / 20 % 10
  when 0 then assert(values(ROWS).empty?, 'a row without an identity')
  when 1 then fail_half_way(i)
  else
    as(user(n)) do
      assert(values(WHO) == [user(n)], 'somebody else')
      assert(values(ROWS) == [team(n)] * 5, 'rows of somebody else')
      assert(values(format(COUNT, 1)).size == 1, 'no row counted')
    end
  end
end

def in_threads(count)
  Array.new(count) do |n|
    Thread.new do
      Thread.current.report_on_exception = false
      yield n
    ensure
      ActiveRecord::Base.clear_active_connections!
    end
  end
end

def load_clients
  numbers = Queue.new
  2000.times { |i| numbers << i }
  numbers.close
  in_threads(20) { while (i = numbers.pop) do request(i) end }.each(&:value)
end

def leave_early(n)
  as(user(n)) { return }
end

def nested
  as(user(3)) do
    begin
      as(user(7)) {}
      assert(false, 'nested')
    rescue RuntimeError => e
      assert(e.message.include?('not nested'), e.message)
    end
    assert(values(WHO) == [user(3)], 'the inner identity has outlived its block')
  end
  # Within a transaction of the application's, however the block is left.
  ActiveRecord::Base.transaction do
    as(user(7)) {}
    assert(values(WHO) == [nil], 'the identity has outlived its block')
    ActiveSupport::Deprecation.silence { leave_early(7) }
    assert(values(WHO) == [nil], 'the identity has outlived its block')
    catch(:done) { as(user(7)) { throw :done } }
    assert(values(WHO) == [nil], 'the identity has outlived its block')
    begin
      as(user(7)) { raise HalfWay }
    rescue HalfWay
      assert(values(WHO) == [nil], 'the identity has outlived its block')
    end
    as(user(7)) { raise ActiveRecord::Rollback }
    assert(values(WHO) == [nil], 'the identity has outlived its block')
  end
end

def interrupted
  sleepers = in_threads(10) do |n|
    as(user(n)) { values('SELECT pg_sleep(60)::text') }
    false
  rescue StandardError
    true
  end
  system(ENV.fetch('INTERRUPT')) or raise 'interrupt.sh'
  assert(sleepers.map(&:value).all?, 'a request whose backend was killed has not failed')
  20.times do |n|
    attempts = 0
    begin
      as(user(n)) { assert(values(WHO) == [user(n)], 'somebody else') }
    rescue StandardError
      # A request of an application begins with a connection that was looked at.
      ActiveRecord::Base.clear_active_connections!
      raise if (attempts += 1) == 12

      retry
    end
  end
end

load_clients
nested
interrupted
puts 'ActiveRecord: 2000 requests of 20 users, nested, interrupted: no wrong row.'
