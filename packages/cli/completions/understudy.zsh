#compdef understudy
# Completion of understudy for zsh. `understudy __complete -- WORDS` answers with lines of value, tab and description, and a last line that says what the
# shell completes by itself.
_understudy() {
  local -a lines values
  local line
  lines=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n ${lines[-1]} ]] || return 1
  for line in "${(@)lines[1,-2]}"; do
    values+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  (( $#values )) && _describe understudy values
  case ${lines[-1]} in
    :files) _files ;;
    :programs) _command_names -e ;;
  esac
}
compdef _understudy understudy
