# shellcheck shell=bash
# Progress of a long step on standard error: on a terminal a bar in the last line, otherwise a line every ten seconds. The
# lines have one format, "NAME: DONE of TOTAL UNIT, 40s left", which hack/demo reads from programs in the background.
#
#   progress_start NAME            starts a step
#   progress DONE TOTAL UNIT...    shows how much of it is done; without numbers: progress '' '' TEXT
#   progress_end                   removes the bar
#
# Environment: SHIPLOCK_PROGRESS_INTERVAL, the seconds between two lines (default 10).

readonly progress_full='####################' progress_empty='....................'

progress_start() {
	progress_name=$1 progress_since=$SECONDS progress_last=$SECONDS progress_bar=false
	[[ ! -t 2 || ${TERM:-dumb} == dumb ]] || progress_bar=true
}

progress() {
	local done=$1 total=$2 text elapsed=$((SECONDS - progress_since)) fraction='' bar=''
	shift 2
	text="$*"
	if [[ -n $total && $total -gt 0 ]]; then
		[[ $done -le $total ]] || done=$total
		text="$done of $total $text"
		# The first seconds show no steady rate.
		[[ $done -eq 0 || $elapsed -lt 5 ]] || text+=", $(progress_duration $((elapsed * (total - done) / done))) left"
		fraction=$((100 * done / total))
	else
		text+="${text:+, }$(progress_duration "$elapsed")"
	fi
	if [[ $progress_bar == true ]]; then
		[[ -z $fraction ]] || bar="[${progress_full:0:fraction/5}${progress_empty:fraction/5}] $fraction%  "
		# Without line wrapping, so that a bar wider than the terminal stays in one line.
		printf '\r\033[?7l%s%s: %s\033[K\033[?7h' "$bar" "$progress_name" "$text" >&2
	elif [[ $((SECONDS - progress_last)) -ge ${SHIPLOCK_PROGRESS_INTERVAL:-10} ]]; then
		progress_last=$SECONDS
		echo "$progress_name: $text" >&2
	fi
}

progress_end() { [[ $progress_bar == false ]] || printf '\r\033[K' >&2; }

progress_duration() { # SECONDS
	[[ $1 -ge 60 ]] && echo "$(($1 / 60))m$(($1 % 60))s" || echo "${1}s"
}
