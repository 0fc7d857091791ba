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
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "check" -d 'Read the configuration as `serve` would, and say what differs from the defaults'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "publish" -d 'Publish to a topic, and say whether it was taken'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "subscribe" -d 'Print what is published to topics, one payload a line'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "top" -d 'Watch a running node: rates, latencies, drops, shards, the slowest connections'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "drain" -d 'Move a share of a running node\'s connections away, evenly over a period. Clients reconnect by themselves; the node\'s agent announces the least weight meanwhile, so that they come back elsewhere. For all of them, and the end of the process, send SIGTERM'
complete -c fanfare -n "__fish_fanfare_needs_command" -f -a "doctor" -d 'Say what this host offers, what the engine wants, and how to fix the difference'
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s c -l config -d 'Configuration file (TOML). Without one the defaults hold' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s s -l set -d 'Set one key over file and environment; may be repeated' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand serve" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s c -l config -d 'Configuration file (TOML). Without one the defaults hold' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s s -l set -d 'Set one key over file and environment; may be repeated' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand check" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l to -d 'The engine\'s `ingest.router`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l plain -d 'For an engine with `ingest.plain`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l timeout -d 'Seconds to wait for each answer' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -l lines -d 'Publish each line of stdin by itself'
complete -c fanfare -n "__fish_fanfare_using_subcommand publish" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l url -d 'The engine\'s WebSocket address' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l count -d 'End after this many publications' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l timeout -d 'Seconds to wait for the connection and its replies' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -l topics -d 'Print each payload\'s topic in front of it, with a tab between'
complete -c fanfare -n "__fish_fanfare_using_subcommand subscribe" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l admin -d 'The node\'s `admin.listen`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l token -d 'The node\'s `admin.token`; without this, the environment\'s `FANFARE_ADMIN_TOKEN`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l interval -d 'Seconds that rates are taken over, 0.1 at least' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -l once -d 'Print one screen as text and end; so it does when the output is no terminal'
complete -c fanfare -n "__fish_fanfare_using_subcommand top" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l share -d 'The part of all connections, such as `20%` or `0.2`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l period -d 'Over how long they are closed' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l admin -d 'The node\'s `admin.listen`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -l token -d 'The node\'s `admin.token`; without this, the environment\'s `FANFARE_ADMIN_TOKEN`' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand drain" -s h -l help -d 'Print help'
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s c -l config -d 'Configuration file (TOML). Without one the defaults hold' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s s -l set -d 'Set one key over file and environment; may be repeated' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l connections -d 'Look at the host for N connections. Without it: `ws.max_connections`, or 10,000 if that is auto' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l print -d 'Print the file that would set what falls short, for sysctl.d or limits.d. apply.sh does' -r -f -a "sysctl\t''
limits\t''"
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l pid -d 'The limits of this process, a running fanfare, instead of those of the shell' -r
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l root -d 'Read proc, sys and etc below this directory instead: another host\'s, copied' -r -F
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -l json -d 'Print JSON'
complete -c fanfare -n "__fish_fanfare_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
