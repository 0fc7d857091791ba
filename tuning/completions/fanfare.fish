# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fanfare_global_optspecs
    string join \n h/help V/version
end

function __fish_fanfare_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fanfare_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fanfare_using_subcommand
    set -l cmd (__fish_fanfare_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fanfare -n "__fish_fanfare_needs_command" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_needs_command" -s V -l version -d 'Print version'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "serve" -d 'Run the engine'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "check" -d 'Read the configuration as `serve` does, and print what differs from the defaults'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "keys" -d 'List the configuration keys: default, type, bounds and meaning of each'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "publish" -d 'Publish to a topic, and print whether the engine accepted it'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "subscribe" -d 'Print the publications of topics, one payload per line'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "top" -d 'Watch a running node: rates, latencies, drops, shards, the slowest connections'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "drain" -d 'Close a share of a running node\'s connections, evenly over a period, so that the clients reconnect to other nodes. During the drain the node\'s agent reports the lowest weight to load balancers. To close all connections and end the process, send SIGTERM instead'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "doctor" -d 'Report what this host offers, what the engine needs, and how to fix the difference'
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s c -l config -d 'Configuration file (TOML). Without it, the defaults apply' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s s -l set -d 'Set one key; overrides the file and the environment. May be repeated' -r -f -a "ws.listen\t''
ws.origins\t''
ws.ping\t''
ws.pong_timeout\t''
ws.handshake_timeout\t''
ws.max_message\t''
ws.max_topics\t''
ws.max_connections\t''
ws.max_command_rate\t''
ws.outbox\t''
ws.slow\t''
ws.batch\t''
ws.echo\t''
ws.deflate.enabled\t''
ws.deflate.level\t''
ws.deflate.threshold\t''
ws.deflate.apple\t''
ingest.pull\t''
ingest.sub\t''
ingest.router\t''
ingest.max_payload\t''
ingest.high_water_mark\t''
ingest.allow\t''
ingest.plain\t''
ingest.ipc_mode\t''
cpu.shards\t''
cpu.cores\t''
admin.listen\t''
admin.token\t''
drain.period\t''
drain.dwell\t''
agent.listen\t''
load.cpu\t''
load.egress\t''
load.lag\t''
load.queued\t''
load.memory\t''
load.connections\t''
load.up\t''
load.down\t''
load.fresh\t''
load.hysteresis\t''
load.rise\t''
scale.out_above\t''
scale.out_after\t''
scale.urgent_above\t''
scale.urgent_after\t''
scale.in_below\t''
scale.in_after\t''
log.format\t''
log.level\t''
statsd.address\t''
statsd.prefix\t''
statsd.interval\t''"
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s c -l config -d 'Configuration file (TOML). Without it, the defaults apply' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s s -l set -d 'Set one key; overrides the file and the environment. May be repeated' -r -f -a "ws.listen\t''
ws.origins\t''
ws.ping\t''
ws.pong_timeout\t''
ws.handshake_timeout\t''
ws.max_message\t''
ws.max_topics\t''
ws.max_connections\t''
ws.max_command_rate\t''
ws.outbox\t''
ws.slow\t''
ws.batch\t''
ws.echo\t''
ws.deflate.enabled\t''
ws.deflate.level\t''
ws.deflate.threshold\t''
ws.deflate.apple\t''
ingest.pull\t''
ingest.sub\t''
ingest.router\t''
ingest.max_payload\t''
ingest.high_water_mark\t''
ingest.allow\t''
ingest.plain\t''
ingest.ipc_mode\t''
cpu.shards\t''
cpu.cores\t''
admin.listen\t''
admin.token\t''
drain.period\t''
drain.dwell\t''
agent.listen\t''
load.cpu\t''
load.egress\t''
load.lag\t''
load.queued\t''
load.memory\t''
load.connections\t''
load.up\t''
load.down\t''
load.fresh\t''
load.hysteresis\t''
load.rise\t''
scale.out_above\t''
scale.out_after\t''
scale.urgent_above\t''
scale.urgent_after\t''
scale.in_below\t''
scale.in_after\t''
log.format\t''
log.level\t''
statsd.address\t''
statsd.prefix\t''
statsd.interval\t''"
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand keys" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l to -d 'The engine\'s `ingest.router`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l plain -d 'Credentials, if the engine has `ingest.plain`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l timeout -d 'Seconds to wait for each reply' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l lines -d 'Publish each line of stdin separately'
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l url -d 'The engine\'s WebSocket address' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l count -d 'Exit after this many publications' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l timeout -d 'Seconds to wait for the connection and its replies' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l topics -d 'Print the topic and a tab before each payload'
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l admin -d 'The node\'s `admin.listen`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l token -d 'The node\'s `admin.token`. Default: the environment variable `FANFARE_ADMIN_TOKEN`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l interval -d 'Seconds over which rates are measured, at least 0.1' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l once -d 'Print one screen as text and exit. This is also done if the output is not a terminal'
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l share -d 'The share of all connections, such as `20%` or `0.2`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l period -d 'The period over which the connections are closed' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l admin -d 'The node\'s `admin.listen`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l token -d 'The node\'s `admin.token`. Default: the environment variable `FANFARE_ADMIN_TOKEN`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s c -l config -d 'Configuration file (TOML). Without it, the defaults apply' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s s -l set -d 'Set one key; overrides the file and the environment. May be repeated' -r -f -a "ws.listen\t''
ws.origins\t''
ws.ping\t''
ws.pong_timeout\t''
ws.handshake_timeout\t''
ws.max_message\t''
ws.max_topics\t''
ws.max_connections\t''
ws.max_command_rate\t''
ws.outbox\t''
ws.slow\t''
ws.batch\t''
ws.echo\t''
ws.deflate.enabled\t''
ws.deflate.level\t''
ws.deflate.threshold\t''
ws.deflate.apple\t''
ingest.pull\t''
ingest.sub\t''
ingest.router\t''
ingest.max_payload\t''
ingest.high_water_mark\t''
ingest.allow\t''
ingest.plain\t''
ingest.ipc_mode\t''
cpu.shards\t''
cpu.cores\t''
admin.listen\t''
admin.token\t''
drain.period\t''
drain.dwell\t''
agent.listen\t''
load.cpu\t''
load.egress\t''
load.lag\t''
load.queued\t''
load.memory\t''
load.connections\t''
load.up\t''
load.down\t''
load.fresh\t''
load.hysteresis\t''
load.rise\t''
scale.out_above\t''
scale.out_after\t''
scale.urgent_above\t''
scale.urgent_after\t''
scale.in_below\t''
scale.in_after\t''
log.format\t''
log.level\t''
statsd.address\t''
statsd.prefix\t''
statsd.interval\t''"
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l connections -d 'Examine the host for N connections. Default: `ws.max_connections`, or 10,000 if that is auto' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l print -d 'Print a file for sysctl.d or limits.d that corrects insufficient settings. apply.sh uses it' -r -f -a "sysctl\t''
limits\t''"
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l pid -d 'Examine the limits of this process, a running fanfare, instead of those of the shell' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l root -d 'Read proc, sys and etc below this directory: copies from another host' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l json -d 'Print JSON'
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
