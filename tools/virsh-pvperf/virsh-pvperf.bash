# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for virsh-pvperf: the program itself offers the words, from
# its tables of commands and options. Words are quoted, because the names of
# domains are other people's text.
_virsh_pvperf()
{
    local line=${COMP_LINE:0:COMP_POINT} words word
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    COMPREPLY=()
    while IFS= read -r word; do
        printf -v word '%q' "$word"
        COMPREPLY+=("$word")
    done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _virsh_pvperf virsh-pvperf
