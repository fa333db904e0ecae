# Completion of understudy for bash, version 4.4 or later. `understudy __complete -- WORDS` answers with lines of value, tab and description, and a last
# line that says what the shell completes by itself.
_understudy() {
  # Words are split at blanks alone here, since bash's own end at `:` and `=` as well. What bash keeps of the word is taken off again.
  local line=${COMP_LINE:0:COMP_POINT} current='' kept='' value
  local -a words lines
  read -ra words <<<"$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); else current=${words[-1]}; fi
  mapfile -t lines < <("$1" __complete -- "${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  ((${#lines[@]} > 0)) || return 0
  kept=${current%"${current##*[=:]}"}
  for value in "${lines[@]:0:${#lines[@]}-1}"; do
    value=${value%%$'\t'*}
    COMPREPLY+=("${value#"$kept"}")
  done
  case ${lines[-1]} in
    :files)
      # Fails where bash is not completing, as in a test.
      compopt -o filenames 2>/dev/null
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${current#"$kept"}")
      ;;
    :programs)
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$current")
      ;;
  esac
  return 0
}
complete -F _understudy understudy
