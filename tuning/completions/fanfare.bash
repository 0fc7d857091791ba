_fanfare() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="fanfare"
                ;;
            fanfare,check)
                cmd="fanfare__subcmd__check"
                ;;
            fanfare,doctor)
                cmd="fanfare__subcmd__doctor"
                ;;
            fanfare,drain)
                cmd="fanfare__subcmd__drain"
                ;;
            fanfare,keys)
                cmd="fanfare__subcmd__keys"
                ;;
            fanfare,publish)
                cmd="fanfare__subcmd__publish"
                ;;
            fanfare,serve)
                cmd="fanfare__subcmd__serve"
                ;;
            fanfare,subscribe)
                cmd="fanfare__subcmd__subscribe"
                ;;
            fanfare,token)
                cmd="fanfare__subcmd__token"
                ;;
            fanfare,top)
                cmd="fanfare__subcmd__top"
                ;;
            fanfare__subcmd__token,check)
                cmd="fanfare__subcmd__token__subcmd__check"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        fanfare)
            opts="-h -V --help --version serve check keys publish subscribe top drain doctor token"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__check)
            opts="-c -s -h --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__doctor)
            opts="-c -s -h --config --set --connections --json --print --pid --root --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --print)
                    COMPREPLY=($(compgen -W "sysctl limits" -- "${cur}"))
                    return 0
                    ;;
                --pid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__drain)
            opts="-c -s -h --share --period --admin --token --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --share)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --period)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --admin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__keys)
            opts="-h --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__publish)
            opts="-c -s -h --lines --to --plain --timeout --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --to)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --plain)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__serve)
            opts="-c -s -h --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__subscribe)
            opts="-c -s -h --url --count --topics --token --timeout --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --url)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --count)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__token)
            opts="-c -s -h --config --set --user --expires --channel --help check"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                --user)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --expires)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --channel)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__token__subcmd__check)
            opts="-c -s -h --config --set --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        fanfare__subcmd__top)
            opts="-c -s -h --admin --token --config --set --interval --once --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --admin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --set)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                -s)
                    COMPREPLY=($(compgen -W "port_offset ws.listen ws.origins ws.ping ws.pong_timeout ws.handshake_timeout ws.max_message ws.max_topics ws.max_connections ws.max_command_rate ws.max_receive_rate ws.outbox ws.slow ws.batch ws.echo ws.deflate.enabled ws.deflate.level ws.deflate.threshold ws.deflate.apple auth.insecure auth.allow_anonymous auth.expired_close_delay auth.expired_subscription_close_delay auth.private_prefix auth.user_boundary auth.user_separator auth.user_connection_limit auth.personal_channel auth.personal_channel_namespace auth.token.hmac_secret_key auth.token.hmac_previous_secret_key auth.token.hmac_previous_secret_key_valid_until auth.token.rsa_public_key auth.token.ecdsa_public_key auth.token.ed25519_public_key auth.token.jwks_public_endpoint auth.token.audience auth.token.issuer auth.token.user_id_claim auth.subscription_token.hmac_secret_key auth.subscription_token.hmac_previous_secret_key auth.subscription_token.hmac_previous_secret_key_valid_until auth.subscription_token.rsa_public_key auth.subscription_token.ecdsa_public_key auth.subscription_token.ed25519_public_key auth.subscription_token.jwks_public_endpoint auth.subscription_token.audience auth.subscription_token.issuer auth.subscription_token.user_id_claim hooks.timeout hooks.max_concurrent hooks.http_headers hooks.static_headers hooks.status_to_code hooks.connect.endpoint hooks.connect.timeout hooks.refresh.endpoint hooks.refresh.timeout hooks.subscribe.endpoint hooks.subscribe.timeout hooks.sub_refresh.endpoint hooks.sub_refresh.timeout hooks.publish.endpoint hooks.publish.timeout hooks.rpc.endpoint hooks.rpc.timeout ingest.pull ingest.sub ingest.router ingest.max_payload ingest.high_water_mark ingest.publisher_memory ingest.allow ingest.plain ingest.publish_allow ingest.ipc_mode cpu.shards cpu.cores admin.listen admin.token admin.scrape_token admin.api_keys drain.period drain.dwell agent.listen load.cpu load.egress load.lag load.queued load.memory load.connections load.up load.down load.fresh load.hysteresis load.rise scale.out_above scale.out_after scale.urgent_above scale.urgent_after scale.in_below scale.in_after log.format log.level statsd.address statsd.prefix statsd.interval" -- "${cur}"))
                    return 0
                    ;;
                --interval)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _fanfare -o nosort -o bashdefault -o default fanfare
else
    complete -F _fanfare -o bashdefault -o default fanfare
fi
