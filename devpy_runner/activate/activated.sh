# Goes from the caller's environment to the activated one and becomes the command, in bash or a plain POSIX sh.
# The arguments are steps of two words each:
#
#   source FILE         read a script of the environment
#   export NAME=VALUE   set a variable
#   close NUMBER        close a file descriptor
#   prepend FOLDER      put a folder first on PATH, and nowhere else
#   exec NAME           the last step: see whether NAME can be run, then exec all the words that follow
#
# It is all functions: an alias or option that a script leaves behind cannot change what has been parsed.
# A script that fails or cannot be parsed is named, and the next one goes on; one that ends the shell ends it for good.

devpy_activate() {
    while [ "$1" != exec ]; do
        "devpy_$1" "$2"
        shift 2
    done
    devpy_check "$2"
    shift 2
    unset devpy_script devpy_status devpy_rest devpy_entry devpy_found
    exec "$@"
}

# The command's input and output are not the scripts'.
devpy_source() {
    devpy_script=$1
    set --
    trap devpy_ended EXIT
    # By itself `.` ends a plain sh when it meets a syntax error.
    command . "$devpy_script" </dev/null >&2
    devpy_status=$?
    trap - EXIT
    [ "$devpy_status" -eq 0 ] || devpy_say "$devpy_script: failed with status $devpy_status"
}

devpy_ended() {
    devpy_say "$devpy_script: ended the shell with status $?, so the command has not run"
}

devpy_export() {
    export "$1"
}

devpy_close() {
    eval "exec $1>&-"
}

devpy_prepend() {
    devpy_rest=${PATH:+$PATH:}
    export "PATH=$1"
    while [ -n "$devpy_rest" ]; do
        devpy_entry=${devpy_rest%%:*}
        devpy_rest=${devpy_rest#*:}
        [ "$devpy_entry" = "$1" ] || PATH=$PATH:$devpy_entry
    done
}

# End the shell, with the status that every shell gives, unless the command can be run.
devpy_check() {
    devpy_found=
    case $1 in
        */*) ! devpy_try "$1" || return 0 ;;
        ?*)
            devpy_rest=$PATH:
            while [ -n "$devpy_rest" ]; do
                devpy_entry=${devpy_rest%%:*}
                ! devpy_try "${devpy_entry:-.}/$1" || return 0
                devpy_rest=${devpy_rest#*:}
            done
            ;;
    esac
    if [ -n "$devpy_found" ]; then
        devpy_say "$1: permission denied"
        exit 126
    fi
    devpy_say "command not found: $1"
    exit 127
}

devpy_try() {
    [ ! -e "$1" ] || devpy_found=$1
    [ -f "$1" ] && [ -x "$1" ]
}

devpy_say() {
    printf 'devpy: %s\n' "$1" >&2
}

devpy_activate "$@"
