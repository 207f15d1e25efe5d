#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bash completion file, as bash would call it: virsh-pvperf offers the
# words, the file splits the line and quotes them.
#   test_completion.sh PROGRAM COMPLETION-FILE DOMAINS-XML
set -u

program=$(realpath "$1")
# shellcheck source=/dev/null
. "$2"
export LIBVIRT_DEFAULT_URI="test://$3"
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT
ln -s "$program" "$directory/virsh-pvperf"
PATH=$directory:$PATH
number=0
failed=0

# LINE up to the cursor, then the words that must be offered.
offers()
{
    local COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    shift
    number=$((number + 1))
    _virsh_pvperf
    if [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = "$(printf '%s\n' "$@" | sort)" ]; then
        echo "ok $number '$COMP_LINE'"
    else
        echo "not ok $number '$COMP_LINE': offers '${COMPREPLY[*]}', not '$*'"
        failed=1
    fi
}

offers 'virsh-pvperf ev' events
offers 'virsh-pvperf check vm1 vcpu-' vcpu-clock vcpu-switches vcpu-migrations
offers 'virsh-pvperf -c test:///default events ' test
offers 'virsh-pvperf events ' 'odd\ name\;\ touch\ x' plain vm1
offers 'virsh-pvperf list --format ' text json
offers 'virsh-pvperf list --form' --format
offers 'virsh-pvperf disable vm1 p' plain
offers 'virsh-pvperf validate '
offers 'virsh-pvperf nosuch '
echo "1..$number"
exit $failed
