# Goes from the caller's environment to the activated one and becomes the command, in bash or a plain POSIX sh.
# The arguments are steps of two words each:
#
#   source FILE         read a script of the environment
#   export NAME=VALUE   set a variable
#   close NUMBER        close a file descriptor
#   prepend FOLDER      put a folder first on PATH, and nowhere else
#   own FOLDER          the programs in it are the overlay's
#   exec NAME           the last step: see whether NAME can be run, then exec all the words that follow
#
# It is all functions: an alias or option that a script leaves behind cannot change what has been parsed.
# As in a shell that conda activates, the status of a script does not matter, and the shell itself says what it cannot
# read or run. A script that ends the shell ends it for good.

devpy_owned=

devpy_activate() {
    while [ "$1" != exec ]; do
        "devpy_$1" "$2"
        shift 2
    done
    devpy_check "$2"
    shift 2
    unset devpy_script devpy_folder devpy_former devpy_owned devpy_path devpy_rest devpy_entry devpy_found
    unset devpy_line devpy_next devpy_word
    exec "$@"
}

# The command's input and output are not the scripts', and they do not choose where it runs.
devpy_source() {
    devpy_script=$1
    devpy_folder=$PWD
    devpy_former=${OLDPWD-}
    set --
    trap devpy_ended EXIT
    # By itself `.` ends a plain sh when it meets a syntax error.
    command . "$devpy_script" </dev/null >&2
    { set +x; } 2>/dev/null
    trap - EXIT
    [ "${PWD-}" = "$devpy_folder" ] || devpy_return
}

devpy_ended() {
    devpy_say "$devpy_script: ended the shell with status $?, so the command has not run"
}

devpy_return() {
    CDPATH='' command cd -- "$devpy_folder" >/dev/null || return 0
    OLDPWD=$devpy_former
    [ -n "$OLDPWD" ] || unset OLDPWD
}

devpy_export() {
    # By itself `export` ends a plain sh when the variable is read-only.
    command export "$1" 2>/dev/null || devpy_refuse "${1%%=*}"
}

devpy_refuse() {
    devpy_say "$1: a script of the environment has made it read-only, so the command has not run
  take readonly out of the scripts in ${CONDA_PREFIX-}/etc/conda"
    exit 2
}

devpy_close() {
    eval "exec $1>&-"
}

devpy_prepend() {
    devpy_rest=${PATH:+$PATH:}
    devpy_path=$1
    while [ -n "$devpy_rest" ]; do
        devpy_entry=${devpy_rest%%:*}
        devpy_rest=${devpy_rest#*:}
        [ "$devpy_entry" = "$1" ] || devpy_path=$devpy_path:$devpy_entry
    done
    devpy_export "PATH=$devpy_path"
}

devpy_own() {
    devpy_owned=$devpy_owned:$1:
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
                if devpy_try "${devpy_entry:-.}/$1"; then
                    devpy_name "$1" "${devpy_entry:-.}"
                    return 0
                fi
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

# Name a Python program that is neither the overlay's nor the base's, as `strangers` does where no shell is needed.
devpy_name() {
    case $devpy_owned:${CONDA_PREFIX-}/bin: in *":$2:"*) return 0 ;; esac
    case $1 in
        devpy | devpy-* | conda | conda-* | mamba | mamba-*) return 0 ;;
        python* | pypy*) devpy_word="this worktree's own Python: devpy python" ;;
        *)
            devpy_is_python "$2/$1" || devpy_is_shim "$2" || return 0
            devpy_word="to have it here, install what provides it: devpy pip install …"
            ;;
    esac
    devpy_say "warning: $1: neither the overlay nor the base has it, so this runs $2/$1, on another Python
  $devpy_word"
}

# Tell whether a script names its Python by a path, in its first line or as a command in the second.
devpy_is_python() {
    devpy_line='' devpy_next=''
    { IFS= read -r devpy_line && IFS= read -r devpy_next; } <"$1" 2>/dev/null || :
    case $devpy_line in '#!'*) ;; *) return 1 ;; esac
    devpy_word=${devpy_line#??}
    devpy_word=${devpy_word#"${devpy_word%%[! ]*}"}
    devpy_word=${devpy_word%% *}
    case $devpy_line:$devpy_next in
        "#!/bin/sh:'''exec' "* | '#!/bin/sh:"exec" '*)
            devpy_word=${devpy_next#* }
            case $devpy_word in
                [\'\"]*) devpy_word=${devpy_word#?} devpy_word=${devpy_word%%[\'\"]*} ;;
                *) devpy_word=${devpy_word%% *} ;;
            esac
            ;;
    esac
    case ${devpy_word##*/} in python* | pypy*) return 0 ;; esac
    return 1
}

devpy_is_shim() {
    case $1 in */pyenv/shims | */.pyenv/shims | "${PYENV_ROOT:-/nowhere}/shims") return 0 ;; esac
    return 1
}

devpy_say() {
    printf 'devpy: %s\n' "$1" >&2
}

devpy_activate "$@"
