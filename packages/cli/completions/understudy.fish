# Completion of understudy for fish. `understudy __complete -- WORDS` answers with lines of value, tab and description, and a last line that says what the
# shell completes by itself.
function __understudy_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command $before[1] __complete -- $before[2..-1] "$current" 2>/dev/null)
    test (count $lines) -gt 0; or return
    test (count $lines) -gt 1; and printf '%s\n' $lines[1..-2]
    switch $lines[-1]
        case ':files'
            __fish_complete_path "$current"
        case ':programs'
            __fish_complete_command
    end
end
complete -c understudy -f -a '(__understudy_complete)'
