# Runs one program and notes how it ended, whether or not the portal still lives.
#
# Arguments: the attempt's folder, time limit in seconds (0: none), time of grace in seconds, bytes of the log;
# then the program and its arguments. Standard input is the attempt's lock file: the kernel keeps the lock for as
# long as this shell or the program lives, however they end.

folder=$1 limit=$2 grace=$3 log_bytes=$4
shift 4
umask 077

# Signals go to the whole group. The shell must outlive the program to note its end; a handler, other than an ignored
# signal, is not inherited by the program.
trap : TERM INT HUP

{ cat "/proc/$$/stat" && cat /proc/sys/kernel/random/boot_id; } >"$folder/started.new" || exit 125
mv "$folder/started.new" "$folder/started" || exit 125

# Keeps the beginning and the end of what comes in, and never lets the program wait or fail for its log.
keep() {
    trap '' TERM INT HUP
    # Unbuffered where that can be had: a log is read while it grows.
    $unbuffered head -c "$log_bytes" >"$folder/output.log"
    tail -c 65536 >"$folder/output.tail.log"
    cat >/dev/null
}

unbuffered=
command -v stdbuf >/dev/null && unbuffered='stdbuf -o0'

note() {
    [ -e "$folder/timed_out" ] && set -- 124
    echo "$1" >"$folder/exit_code.new" && mv "$folder/exit_code.new" "$folder/exit_code"
}

watch_time() {
    trap 'kill "$sleeper" 2>/dev/null; exit' TERM
    sleep "$limit" &
    sleeper=$!
    wait "$sleeper"
    trap '' TERM
    : >"$folder/timed_out"
    kill -TERM 0
    sleep "$grace"
    kill -KILL 0
}

run() {
    # A subshell begins with the default actions again.
    trap : TERM INT HUP
    if cd "$folder/work"; then "$@"; else false; fi
    note $?
    [ -n "$watcher" ] && kill "$watcher" 2>/dev/null
}

watcher=
if [ "$limit" -gt 0 ]; then
    watch_time </dev/null >/dev/null 2>&1 &
    watcher=$!
fi
run "$@" 2>&1 | keep
# A signal between the subshell's begin and its handler ends it before it can note anything.
[ -e "$folder/exit_code" ] || note 143
