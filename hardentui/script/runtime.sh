# shellcheck shell=bash
# The runtime of hardentui: the same in every script, to be reviewed once.
#
# No primitive exits: each returns 1 and its caller decides. No rule depends on errexit or ERR.
# A return always says its status: below a trap, a bare one gives that of the command before the trap.
# Values that steps hand back stand in REPLY, NOW, VERDICT, POSITION, BEFORE and AFTER.

readonly STATE=/var/lib/hardentui
readonly GUARD=hardentui-guard.service
readonly BOOT_UNIT=/etc/systemd/system/hardentui-boot.service
readonly BOOT_WANTS=/etc/systemd/system/sysinit.target.wants

# Exit statuses. 0: all is well.
readonly FAILED=1 USAGE=2 REFUSED=3 DRIFTED=4 LOCKED=75

# What may reach a terminal as it is: printable ASCII, tabs, and letters and signs in UTF-8, but
# neither control characters (also not those of the C1 set) nor marks that turn the direction.
readonly VISIBLE=$'^([ -~\t]|\xc2[\xa0-\xac\xae-\xbf]|[\xc3-\xd7][\x80-\xbf]|\xe2(\x80[\x90-\xa7\xb0-\xbf]|[\x82-\x9f][\x80-\xbf])|[\xe3-\xed][\x80-\xbf][\x80-\xbf])+'

# What the body of the script fills in.
MACHINE_ID='' HOST_NAME=''
declare -A MESSAGES=()
declare -a DECISION=() TITLE=() BY_HAND=()
# Per step: what it is. Steps count from 1, without gaps.
declare -a KIND=() OWNERS=() FLAGS=() TARGET=() WAS=() WANTED=() CONTENT=() MODES=() ACCEPT=() SETS=() UNSETS=()
STEPS=0

# What is known of the run at hand, as its journal says.
RUN='' RUN_STATE=none SEQ=0 JOURNAL_SIZE=0 TORN=0 APPLIED_BOOT='' APPLIED_UP=''
declare -a RUNS=() STEP_STATE=() VERDICTS=()
declare -A FORCED=()
SELF='' UNATTENDED=0 AT_BOOT=0 CUT=0 CONFLICTS=0 FAILURES=0 APPLYING=0 DEADLINE=0 PEER=''
REPLY='' NOW='' VERDICT='' POSITION='' BEFORE='' AFTER=''
declare -a LINES=() FOLDERS=()

# ---- The plan, as the body declares it -----------------------------------------------------------

# shellcheck disable=SC2329 # a plan may apply nothing
decision() { # ID TITLE
    DECISION+=("$1") TITLE+=("$2")
}

# shellcheck disable=SC2329 # as the primitives
register() { # STEP KIND DECISIONS FLAGS TARGET
    KIND[$1]=$2 OWNERS[$1]=$3 FLAGS[$1]=$4 TARGET[$1]=$5
    STEPS=$((STEPS + 1))
}

# shellcheck disable=SC2329 # not every plan has one
write_file() { # STEP DECISIONS FLAGS PATH MODE BEFORE LINE...
    local step=$1 line text=''
    register "$1" write "$2" "$3" "$4"
    MODES[step]=$5 WAS[step]=$6
    shift 6
    for line; do text+=$line$'\n'; done
    CONTENT[step]=$text
}

# shellcheck disable=SC2329 # not every plan has one
replace_line() { # STEP DECISIONS FLAGS PATH BEFORE AFTER
    register "$1" edit "$2" "$3" "$4"
    WAS[$1]=$5 WANTED[$1]=$6
}

# shellcheck disable=SC2329 # not every plan has one
set_mode() { # STEP DECISIONS FLAGS PATH BEFORE_MODE BEFORE_OWNER MODE OWNER
    register "$1" mode "$2" "$3" "$4"
    WAS[$1]="$5 $6" WANTED[$1]="$7 $8"
}

# shellcheck disable=SC2329 # not every plan has one
set_sysctl() { # STEP DECISIONS FLAGS KEY BEFORE AFTER OPERATOR OPERAND...
    local step=$1 operand
    register "$1" sysctl "$2" "$3" "$4"
    one_spaced "$5" && WAS[step]=$REPLY
    one_spaced "$6" && WANTED[step]=$REPLY
    ACCEPT[step]=$7
    shift 7
    for operand; do ACCEPT[step]+=$'\n'$operand; done
}

# shellcheck disable=SC2329 # not every plan has one
remount() { # STEP DECISIONS FLAGS PATH BEFORE AFTER SET UNSET
    register "$1" mount "$2" "$3" "$4"
    WAS[$1]=$5 WANTED[$1]=$6 SETS[$1]=$7 UNSETS[$1]=$8
}

# shellcheck disable=SC2329 # not every plan has one
enable_unit() { # STEP DECISIONS FLAGS UNIT
    register "$1" unit "$2" "$3" "$4"
}

# shellcheck disable=SC2329 # not every plan has one
disable_unit() { # STEP DECISIONS FLAGS UNIT ENABLEMENT ACTIVITY
    local enablement=$5
    [[ $5 != enabled ]] || enablement=disabled
    register "$1" off "$2" "$3" "$4"
    WAS[$1]="$5 $6" WANTED[$1]="$enablement inactive"
}

# shellcheck disable=SC2329 # not every plan has one
reload_manager() { # STEP DECISIONS FLAGS
    register "$1" reload "$2" "$3" systemd
}

# shellcheck disable=SC2329 # not every plan has one
check_mounts() { # STEP DECISIONS FLAGS
    register "$1" check "$2" "$3" /etc/fstab
}

# shellcheck disable=SC2329 # not every plan has one
check_syntax() { # STEP DECISIONS FLAGS PROGRAM
    register "$1" syntax "$2" "$3" "$4"
}

# shellcheck disable=SC2329 # not every plan has one
reload_unit() { # STEP DECISIONS FLAGS UNIT
    register "$1" service "$2" "$3" "$4"
}

# shellcheck disable=SC2329 # not every plan has one
by_hand() { # DECISIONS SUBJECT LINE...
    local text="$1: $2" line
    shift 2
    for line; do text+=$'\n'"    $line"; done
    BY_HAND+=("$text")
}

# ---- Output: everything that is printed goes through plain ----------------------------------------

plain() { # TEXT; sets REPLY to it, with what could draw on a terminal made visible
    local rest=$1 byte
    REPLY=''
    while [[ -n $rest ]]; do
        if [[ $rest =~ $VISIBLE ]]; then
            REPLY+=${BASH_REMATCH[0]}
            rest=${rest:${#BASH_REMATCH[0]}}
        else
            printf -v byte '\\x%02x' "'${rest:0:1}"
            REPLY+=$byte
            rest=${rest:1}
        fi
    done
}

say() { # MESSAGE ARGUMENT...; a reader that went away is no reason to stop
    local format=${MESSAGES[$1]} word
    local -a shown=()
    shift
    for word; do
        plain "$word"
        shown+=("$REPLY")
    done
    # shellcheck disable=SC2059 # the format is ours, from the table of messages; the words are data
    printf -- "$format\n" "${shown[@]}" 2>/dev/null || :
}

show_lines() { # each line of the standard input, set in
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        plain "$line"
        printf '    %s\n' "$REPLY" 2>/dev/null || :
    done
}

refuse() { # MESSAGE ARGUMENT...
    say "$@" >&2
    exit "$REFUSED"
}

alarm() { # MESSAGE ARGUMENT...; nobody may be looking, so it is said in every place
    local text
    text=$(say "$@")
    say "$@" >&2
    logger -t hardentui -p daemon.crit -- "$text" 2>/dev/null || :
    wall -- "$text" >/dev/null 2>&1 || :
}

# ---- Small things ----------------------------------------------------------------------------------

flush() { # FILE_OR_FOLDER...; the durable boundary: returns when all of it is on the disk
    sync -- "$@" 2>/dev/null
}

digest() { # TEXT; sets REPLY
    REPLY=$(printf '%s' "$1" | sha256sum) || return 1
    REPLY=${REPLY%% *}
}

one_spaced() { # TEXT; sets REPLY to its words, one space between them
    REPLY=${1//[$'\t\n']/ }
    while [[ $REPLY == *'  '* ]]; do REPLY=${REPLY//  / }; done
    REPLY=${REPLY# }
    REPLY=${REPLY% }
}

numbered() { # STEP; sets REPLY to the path of its record, without a suffix
    printf -v REPLY '%s/before/%03d' "$RUN" "$1"
}

has_flag() { # STEP FLAG
    [[ " ${FLAGS[$1]//,/ } " == *" $2 "* ]]
}

lacks_words() { # WORDS WANTED; both separated by commas; 0 when a wanted one is missing
    local -a wanted
    local word
    IFS=, read -r -a wanted < <(printf '%s\n' "$2")
    for word in "${wanted[@]}"; do
        [[ ",$1," == *",$word,"* ]] || return 0
    done
    return 1
}

same_words() { # WORDS WORDS
    ! lacks_words "$1" "$2" && ! lacks_words "$2" "$1"
}

trusted_path() { # PATH OWNER...; every folder above it belongs to one of them, and only they write there
    local path=$1 owner line
    shift
    while [[ $path != / && -n $path ]]; do
        path=${path%/*}
        REPLY=${path:-/}
        [[ -e $REPLY || -L $REPLY ]] || continue
        line=$(stat -c '%u %A' -- "$REPLY" 2>/dev/null) || return 1
        [[ $line =~ ^([0-9]+)\ d....[^w]..[^w].$ ]] || return 1
        for owner; do [[ ${BASH_REMATCH[1]} == "$owner" ]] && continue 2; done
        return 1
    done
}

booted_systemd() {
    [[ -d /run/systemd/system ]]
}

# ---- The journal: what was done, a line for each durable boundary ----------------------------------

journal() { # STEP STATE; STEP is a number, or "run"
    local line boot up
    read -r boot </proc/sys/kernel/random/boot_id || return 1
    read -r up _ </proc/uptime || return 1
    if [[ $TORN == 1 ]]; then
        truncate -s "$JOURNAL_SIZE" -- "$RUN/journal" 2>/dev/null || return 1
        TORN=0
    fi
    line="$((SEQ + 1)) $boot $up $1 $2"
    digest "$line" || return 1
    line+=" $REPLY"
    # A signal may come at any point here: until all is known, the next call takes this line for torn.
    TORN=1
    if ! printf '%s\n' "$line" 2>/dev/null >>"$RUN/journal" || ! flush "$RUN/journal" "$RUN"; then
        return 1
    fi
    SEQ=$((SEQ + 1)) JOURNAL_SIZE=$((JOURNAL_SIZE + ${#line} + 1)) TORN=0
    remember "$1" "$2" "$boot" "$up"
}

remember() { # STEP STATE BOOT_ID UPTIME
    if [[ $1 != run ]]; then
        STEP_STATE[$1]=$2
        return 0
    fi
    RUN_STATE=$2
    [[ $2 != applied ]] || APPLIED_BOOT=$3 APPLIED_UP=$4
}

load_journal() { # RUN; a torn last line is as if it was never written, any other damage stops
    local -a lines=()
    local i
    RUN=$1 RUN_STATE=none SEQ=0 JOURNAL_SIZE=0 TORN=0 APPLIED_BOOT='' APPLIED_UP='' STEP_STATE=()
    [[ -e $RUN/journal ]] || return 0
    mapfile lines 2>/dev/null <"$RUN/journal" || refuse unreadable "$RUN/journal"
    for ((i = 0; i < ${#lines[@]}; i++)); do
        if ! load_line "${lines[i]}" "$((i + 1))"; then
            ((i == ${#lines[@]} - 1)) || refuse damaged "$RUN/journal" "$((i + 1))"
            TORN=1
        fi
    done
}

ended() { # RUN; 0 when it was rolled back: its last line says so, and then nothing else of it matters
    local last
    last=$(tail -n 1 -- "$1/journal" 2>/dev/null) || return 1
    [[ $last =~ ^([1-9][0-9]{0,5})\ .*\ run\ rolled-back\  ]] || return 1
    load_line "$last"$'\n' "${BASH_REMATCH[1]}"
}

load_line() { # LINE NUMBER; what it says is known from then on
    local -r grammar='^(([1-9][0-9]{0,5}) ([0-9a-f-]{36}) ([0-9]{1,12}\.[0-9]{2}) (run|[1-9][0-9]{0,2}) ([a-z-]+)) ([0-9a-f]{64})'$'\n''$'
    [[ $1 =~ $grammar ]] || return 1
    local -a part=("${BASH_REMATCH[@]}")
    [[ ${part[2]} == "$2" ]] || return 1
    digest "${part[1]}" && [[ $REPLY == "${part[7]}" ]] || return 1
    SEQ=${part[2]} JOURNAL_SIZE=$((JOURNAL_SIZE + ${#part[0]}))
    remember "${part[5]}" "${part[6]}" "${part[3]}" "${part[4]}"
}

# ---- What a step is recorded with: its target, and what stood and will stand there ------------------

save_record() { # STEP; BEFORE, AFTER and FOLDERS go into the record
    local step=$1 path folder
    numbered "$step"
    path=$REPLY
    {
        printf 'target %s %s\n' "${KIND[step]}" "${TARGET[step]}" &&
            printf 'before %s\nafter %s\n' "$BEFORE" "$AFTER" &&
            for folder in "${FOLDERS[@]}"; do printf 'folder %s\n' "$folder" || return 1; done
    } 2>/dev/null >"$path.meta" || return 1
    flush "$path.meta" "$RUN/before" && journal "$step" saved
}

load_record() { # STEP
    local word rest
    BEFORE='' AFTER='' FOLDERS=()
    numbered "$1"
    [[ -r $REPLY.meta ]] || return 1
    while read -r word rest; do
        case $word in
            before) BEFORE=$rest ;;
            after) AFTER=$rest ;;
            folder) FOLDERS+=("$rest") ;;
        esac
    done <"$REPLY.meta"
}

ours() { # STEP; 0 when an earlier run of ours, which was kept, left the target as it is NOW
    local run record
    for run in "${RUNS[@]}"; do
        while IFS= read -r record; do
            grep -qxF -- "after $NOW" "$record" && return 0
        done < <(grep -rlxF --include='*.meta' -- "target ${KIND[$1]} ${TARGET[$1]}" "$run/before" 2>/dev/null)
    done
    return 1
}

# ---- Files: written and edited ones -----------------------------------------------------------------

file_now() { # STEP; NOW is "absent", "file SHA256 MODE UID:GID", or what else stands there
    local path=${TARGET[$1]} line sum
    NOW=absent
    [[ -e $path || -L $path ]] || return 0
    NOW=unreadable
    line=$(stat -c '%h %a %u:%g %F' -- "$path" 2>/dev/null) || return 0
    [[ $line =~ ^([0-9]+)\ ([0-7]+)\ ([0-9]+:[0-9]+)\ (.*)$ ]] || return 0
    NOW=${BASH_REMATCH[4]// /-}
    [[ $NOW == regular* ]] || return 0
    NOW=hard-link
    [[ ${BASH_REMATCH[1]} == 1 ]] || return 0
    NOW=unreadable
    line="${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
    sum=$(sha256sum 2>/dev/null <"$path") || return 0
    NOW="file ${sum%% *} $line"
}

write_expect() { # STEP
    local step=$1
    digest "${CONTENT[step]}" || return 1
    case $NOW in
        "file $REPLY ${MODES[step]} 0:0") VERDICT=made ;;
        absent) [[ ${WAS[step]} == absent || -z ${WAS[step]} ]] && VERDICT=todo ;;
        "file ${WAS[step]:-unseen} "*) VERDICT=todo ;;
        file*) ours "$step" && VERDICT=todo ;;
    esac
}

read_lines() { # PATH; LINES are its lines with their ends; 1 when it holds what bash cannot carry
    LINES=()
    mapfile LINES 2>/dev/null <"$1" || return 1
    printf '%s' "${LINES[@]}" | cmp -s -- - "$1"
}

count_line() { # LINE; sets REPLY to how often it stands in LINES
    local line
    REPLY=0
    for line in "${LINES[@]}"; do [[ ${line%$'\n'} == "$1" ]] && REPLY=$((REPLY + 1)); done
    return 0
}

edit_expect() { # STEP
    [[ $NOW == file* ]] && read_lines "${TARGET[$1]}" || return 0
    if [[ -n ${WAS[$1]} ]]; then
        count_line "${WAS[$1]}"
        [[ $REPLY == 1 ]] && VERDICT=todo && return 0
        [[ $REPLY == 0 ]] || return 0
        [[ -n ${WANTED[$1]} ]] || VERDICT=made
    else
        VERDICT=todo
    fi
    [[ -z ${WANTED[$1]} ]] && return 0
    count_line "${WANTED[$1]}"
    [[ $REPLY == 0 ]] || VERDICT=made
}

wanted_text() { # STEP; prints what the file is to hold
    local step=$1 line done=0 last=''
    if [[ ${KIND[step]} == write ]]; then
        printf '%s' "${CONTENT[step]}" || return 1
        return 0
    fi
    read_lines "${TARGET[step]}" || return 1
    for line in "${LINES[@]}"; do
        last=$line
        if [[ $done == 0 && -n ${WAS[step]} && ${line%$'\n'} == "${WAS[step]}" ]]; then
            done=1
            [[ -n ${WANTED[step]} ]] || continue
            line=${WANTED[step]}${line#"${WAS[step]}"}
        fi
        printf '%s' "$line" || return 1
    done
    [[ -z ${WAS[step]} ]] || return 0
    [[ -z $last || $last == *$'\n' ]] || printf '\n' || return 1
    printf '%s\n' "${WANTED[step]}"
}

file_save() { # STEP; the original and what is to stand there, both beside the journal
    local step=$1 record folder text
    numbered "$step"
    record=$REPLY
    file_now "$step"
    BEFORE=$NOW FOLDERS=()
    folder=${TARGET[step]%/*}
    while [[ -n $folder && ! -e $folder ]]; do
        FOLDERS+=("$folder")
        folder=${folder%/*}
    done
    if [[ $NOW != absent ]]; then
        cp -a -- "${TARGET[step]}" "$record" 2>/dev/null && flush "$record" || return 1
    fi
    wanted_text "$step" 2>/dev/null >"$record.new" && flush "$record.new" || return 1
    text=$(sha256sum <"$record.new") || return 1
    case ${KIND[step]} in
        write) AFTER="file ${text%% *} ${MODES[step]} 0:0" ;;
        *) AFTER="file ${text%% *} ${NOW#file * }" ;;
    esac
    save_record "$step"
}

temporary() { # STEP; sets REPLY to the name under which its file is made, in the target's own folder
    local number
    printf -v number '%03d' "$1"
    REPLY=${TARGET[$1]%/*}/.hardentui-$number.tmp
}

put_in_place() { # STEP TEMPORARY; replaces the target by it, and nothing else
    flush "$2" && mv -fT -- "$2" "${TARGET[$1]}" 2>/dev/null && flush "${TARGET[$1]%/*}/"
}

make_folders() { # those that are missing, outermost first
    local i
    for ((i = ${#FOLDERS[@]} - 1; i >= 0; i--)); do
        [[ -d ${FOLDERS[i]} ]] || mkdir -m 0755 -- "${FOLDERS[i]}" 2>/dev/null || return 1
        flush "${FOLDERS[i]}" "${FOLDERS[i]%/*}/" || return 1
    done
}

remove_folders() { # those that we made, innermost first; with files of others in it one stays
    local folder
    for folder in "${FOLDERS[@]}"; do
        [[ -d $folder ]] || continue
        rmdir -- "$folder" 2>/dev/null || return 0
        flush "${folder%/*}/" || return 1
    done
}

file_make() { # STEP
    local step=$1 record temporary
    load_record "$step" || return 1
    numbered "$step"
    record=$REPLY
    temporary "$step"
    temporary=$REPLY
    make_folders && trusted_path "${TARGET[step]}" 0 || return 1
    rm -f -- "$temporary" || return 1
    if [[ $BEFORE != absent ]]; then
        # The copy brings owner, mode, ACL, attributes and label along.
        cp -a -- "$record" "$temporary" 2>/dev/null || return 1
    fi
    cat -- "$record.new" 2>/dev/null >"$temporary" || return 1
    if [[ ${KIND[step]} == write ]]; then
        chown 0:0 -- "$temporary" && chmod "${MODES[step]}" -- "$temporary" || return 1
    fi
    file_now "$step"
    [[ $NOW == "$BEFORE" ]] || return 1
    put_in_place "$step" "$temporary" || return 1
    file_now "$step"
    [[ $NOW == "$AFTER" ]]
}

file_restore() { # STEP
    local step=$1 record sum
    numbered "$step"
    record=$REPLY
    trusted_path "${TARGET[step]}" 0 || return 1
    if [[ $BEFORE == absent ]]; then
        rm -f -- "${TARGET[step]}" 2>/dev/null && flush "${TARGET[step]%/*}/" && remove_folders || return 1
        return 0
    fi
    temporary "$step"
    cp -a -- "$record" "$REPLY" 2>/dev/null || return 1
    # A saved original that is not what was saved must never replace what stands there.
    sum=$(sha256sum 2>/dev/null <"$REPLY") || return 1
    [[ $BEFORE == "file ${sum%% *} "* ]] || return 1
    put_in_place "$step" "$REPLY"
}

# ---- Modes and owners -------------------------------------------------------------------------------

mode_now() { # STEP; NOW is "absent", "MODE OWNER:GROUP", or what else stands there
    local path=${TARGET[$1]} line
    NOW=absent
    [[ -e $path || -L $path ]] || return 0
    NOW=unreadable
    line=$(stat -c '%h %a %U:%G %F' -- "$path" 2>/dev/null) || return 0
    [[ $line =~ ^([0-9]+)\ ([0-7]+\ [^\ ]+)\ (.*)$ ]] || return 0
    NOW=${BASH_REMATCH[3]// /-}
    case $NOW in
        directory) NOW=${BASH_REMATCH[2]} ;;
        regular*) NOW=hard-link && [[ ${BASH_REMATCH[1]} != 1 ]] || NOW=${BASH_REMATCH[2]} ;;
    esac
}

change_mode() { # PATH MODE_AND_OWNER; the owner first, for chown takes the special bits away
    chown -h -- "${2#* }" "$1" 2>/dev/null && chmod -- "${2%% *}" "$1" 2>/dev/null && flush "$1"
}

# ---- Kernel parameters --------------------------------------------------------------------------------

sysctl_now() { # STEP; NOW is "absent" or the value
    local path=/proc/sys/${TARGET[$1]} value
    NOW=absent
    [[ -e $path ]] || return 0
    NOW=unreadable
    value=$(cat -- "$path" 2>/dev/null) || return 0
    one_spaced "$value"
    NOW=$REPLY
}

sysctl_write() { # KEY VALUE
    printf '%s\n' "$2" 2>/dev/null >"/proc/sys/$1"
}

is_number() { # TEXT; only what arithmetic can be trusted with
    [[ $1 =~ ^-?(0|[1-9][0-9]{0,17})$ ]]
}

covers_range() { # VALUE WANTED; both "LOW HIGH"
    local low=${1%% *} high=${1#* } from=${2%% *} to=${2#* }
    is_number "$low" && is_number "$high" && is_number "$from" && is_number "$to" || return 1
    ((low <= from && high >= to))
}

sysctl_passes() { # STEP; whether NOW is as good as the value that we would set
    local -a rule
    local operand
    mapfile -t rule < <(printf '%s\n' "${ACCEPT[$1]}")
    case ${rule[0]} in
        equal | one-of)
            for operand in "${rule[@]:1}"; do
                one_spaced "$operand"
                [[ $NOW == "$REPLY" ]] && return 0
            done
            ;;
        at-least) is_number "$NOW" && is_number "${rule[1]}" && ((NOW >= rule[1])) && return 0 ;;
        at-most) is_number "$NOW" && is_number "${rule[1]}" && ((NOW <= rule[1])) && return 0 ;;
        covers-range) covers_range "$NOW" "${rule[1]}" && return 0 ;;
    esac
    return 1
}

# ---- Mounted file systems ------------------------------------------------------------------------------

mount_now() { # STEP; NOW is "absent" or "OPTIONS SUPERBLOCK_OPTIONS", of the mount that lies on top
    local point options rest
    NOW=absent
    while read -r _ _ _ _ point options rest; do
        [[ $point == "${TARGET[$1]}" ]] && NOW="$options ${rest##* }"
    done </proc/self/mountinfo
    return 0
}

mount_passes() { # STEP
    [[ $NOW != absent ]] && ! lacks_words "${NOW% *},${NOW#* }" "${WANTED[$1]}"
}

mount_expect() { # STEP
    if mount_passes "$1"; then
        VERDICT=made
    elif same_words "${NOW% *}" "${WAS[$1]}" || same_words "${NOW% *},${NOW#* }" "${WAS[$1]}"; then
        VERDICT=todo
    fi
}

mount_change() { # PATH OPTIONS WORDS; fstab is left out of it, so that nothing else changes
    mount --options-mode=ignore -o "remount,$2,$3" -- "$1" >/dev/null 2>&1
}

# ---- Units -----------------------------------------------------------------------------------------------

unit_now() { # STEP; the word of is-enabled; the files are asked, not the manager
    NOW=$(systemctl --root=/ is-enabled -- "${TARGET[$1]}" 2>/dev/null)
    NOW=${NOW:-absent}
}

unit_expect() { # STEP
    local target
    case $NOW in
        enabled) VERDICT=made ;;
        disabled) VERDICT=todo ;;
        absent | not-found)
            for target in "${TARGET[@]}"; do [[ $target == */"${TARGET[$1]}" ]] && VERDICT=todo; done
            ;;
    esac
    return 0
}

off_now() { # STEP; NOW is "absent", or the words of is-enabled and is-active
    local enablement activity=inactive
    enablement=$(systemctl --root=/ is-enabled -- "${TARGET[$1]}" 2>/dev/null)
    NOW=absent
    [[ -n $enablement && $enablement != not-found ]] || return 0
    if [[ $AT_BOOT == 1 ]]; then
        # Services start after us: whether this one runs is not known yet, only whether it will.
        [[ $enablement != "${BEFORE%% *}" ]] || activity=${BEFORE#* }
    elif booted_systemd; then
        case $(systemctl is-active -- "${TARGET[$1]}" 2>/dev/null) in
            active | activating | reloading | deactivating) activity=active ;;
        esac
    fi
    NOW="$enablement $activity"
}

off_passes() { # STEP
    [[ $NOW =~ ^(disabled|static|indirect|masked)\ inactive$ ]]
}

off_save() { # STEP; with the links that enable the unit, for what enables it again need not make the same ones
    local record
    numbered "$1"
    record=$REPLY
    find /etc/systemd/system -type l ! -path "/etc/systemd/system/${TARGET[$1]}" \
        \( -name "${TARGET[$1]}" -o -lname "*/${TARGET[$1]}" -o -lname "${TARGET[$1]}" \) \
        -printf '%p\t%l\n' 2>/dev/null >"$record.links" && flush "$record.links" || return 1
    value_save "$1" "${WANTED[$1]}"
}

off_make() { # STEP
    local record path target
    numbered "$1"
    record=$REPLY
    while IFS=$'\t' read -r path target; do
        trusted_path "$path" 0 && rm -f -- "$path" && flush "${path%/*}/" || return 1
    done <"$record.links"
    booted_systemd || return 0
    reload_now && systemctl stop -- "${TARGET[$1]}" >/dev/null 2>&1
}

off_restore() { # STEP
    local record path target
    numbered "$1"
    record=$REPLY
    while IFS=$'\t' read -r path target; do
        [[ ! -L $path ]] || continue
        trusted_path "$path" 0 && ln -sT -- "$target" "$path" && flush "${path%/*}/" || return 1
    done <"$record.links"
    booted_systemd || return 0
    reload_now || return 1
    [[ ${BEFORE#* } == active ]] || return 0
    if [[ $AT_BOOT == 1 ]]; then
        # To wait here for what starts after us would hold the boot up.
        systemctl start --no-block -- "${TARGET[$1]}" >/dev/null 2>&1
    else
        systemctl start -- "${TARGET[$1]}" >/dev/null 2>&1
    fi
}

reload_now() {
    booted_systemd || return 0
    systemctl daemon-reload >/dev/null 2>&1
}

check_now() { # STEP; our fstab may not be worse than the one that stood there
    local step=$1 earlier output errors=0 known=0
    output=$(findmnt --verify 2>&1) && return 0
    errors=$(printf '%s\n' "$output" | grep -cF '[E]')
    for ((earlier = 1; earlier < step; earlier++)); do
        [[ ${TARGET[earlier]} == /etc/fstab && -n ${STEP_STATE[earlier]-} ]] || continue
        numbered "$earlier"
        known=$(findmnt --verify --tab-file "$REPLY" 2>&1 | grep -cF '[E]')
        break
    done
    say fstab-errors
    printf '%s\n' "$output" | show_lines
    ((errors > 0 && errors <= known))
}

service_now() { # STEP; a service that does not run reads its files when it starts
    booted_systemd && systemctl is-active --quiet -- "${TARGET[$1]}" || return 0
    systemctl reload -- "${TARGET[$1]}" >/dev/null 2>&1
}

syntax_now() { # STEP; the program itself judges what it will read
    local output outcome=0
    case ${TARGET[$1]} in
        sshd) output=$(sshd_check 2>&1) || outcome=1 ;;
        # With the file named, visudo judges what sudo would: a mode of 0644 is not for it to refuse.
        visudo) output=$(visudo -c -f /etc/sudoers 2>&1) || outcome=1 ;;
        *) return 1 ;;
    esac
    [[ $outcome == 0 ]] && return 0
    say syntax-errors "${TARGET[$1]}"
    printf '%s\n' "$output" | show_lines
    return 1
}

sshd_check() { # sshd looks for its empty folder, which its unit makes only while it runs
    local made=no outcome=0
    [[ -d /run/sshd ]] || ! mkdir -m 0755 -- /run/sshd 2>/dev/null || made=yes
    sshd -t || outcome=1
    [[ $made == no ]] || rmdir -- /run/sshd 2>/dev/null || :
    return "$outcome"
}

# ---- Each kind of step, verb by verb ------------------------------------------------------------------------

call() { # VERB STEP; the one place where a kind is chosen
    case $1:${KIND[$2]} in
        now:write | now:edit) file_now "$2" ;;
        now:mode) mode_now "$2" ;;
        now:sysctl) sysctl_now "$2" ;;
        now:mount) mount_now "$2" ;;
        now:unit) unit_now "$2" ;;
        now:off) off_now "$2" ;;
        expect:write) write_expect "$2" ;;
        expect:edit) edit_expect "$2" ;;
        expect:mount) mount_expect "$2" ;;
        expect:unit) unit_expect "$2" ;;
        expect:mode | expect:sysctl | expect:off) value_expect "$2" ;;
        passes:off) off_passes "$2" ;;
        save:off) off_save "$2" ;;
        make:off) off_make "$2" ;;
        restore:off) off_restore "$2" ;;
        passes:sysctl) sysctl_passes "$2" ;;
        passes:mount) mount_passes "$2" ;;
        save:write | save:edit) file_save "$2" ;;
        save:mount) value_save "$2" "with ${WANTED[$2]}" ;;
        save:unit) value_save "$2" enabled ;;
        save:mode | save:sysctl) value_save "$2" "${WANTED[$2]}" ;;
        make:write | make:edit) file_make "$2" ;;
        make:mode) trusted_path "${TARGET[$2]}" 0 && change_mode "${TARGET[$2]}" "${WANTED[$2]}" ;;
        make:sysctl) sysctl_write "${TARGET[$2]}" "${WANTED[$2]}" ;;
        make:mount) mount_change "${TARGET[$2]}" "${BEFORE% *}" "${SETS[$2]}" ;;
        make:unit) systemctl --root=/ enable -- "${TARGET[$2]}" >/dev/null 2>&1 && flush /etc/systemd/system ;;
        make:reload) reload_now ;;
        make:check) check_now "$2" ;;
        make:syntax) syntax_now "$2" ;;
        make:service) service_now "$2" ;;
        restore:write | restore:edit) file_restore "$2" ;;
        restore:mode) trusted_path "${TARGET[$2]}" 0 && change_mode "${TARGET[$2]}" "$BEFORE" ;;
        restore:sysctl) sysctl_write "${TARGET[$2]}" "$BEFORE" ;;
        restore:mount) mount_change "${TARGET[$2]}" "${BEFORE% *}" "${UNSETS[$2]}" ;;
        restore:unit) systemctl --root=/ disable -- "${TARGET[$2]}" >/dev/null 2>&1 && flush /etc/systemd/system ;;
        *) return 1 ;;
    esac
}

value_expect() { # STEP
    case $NOW in
        "${WANTED[$1]}") VERDICT=made ;;
        absent) [[ ${KIND[$1]} != sysctl && ${KIND[$1]} != off ]] || VERDICT=gone ;;
        unreadable) ;;
        "${WAS[$1]}") VERDICT=todo ;;
        *)
            if call passes "$1"; then
                VERDICT=made
            elif ours "$1"; then
                VERDICT=todo
            fi
            ;;
    esac
}

value_save() { # STEP AFTER
    call now "$1"
    BEFORE=$NOW AFTER=$2 FOLDERS=()
    save_record "$1"
}

is_file() { [[ ${KIND[$1]} == write || ${KIND[$1]} == edit ]]; } # STEP

is_value() { [[ ${KIND[$1]} =~ ^(mode|sysctl|mount|off)$ ]]; } # STEP

is_action() { [[ ${KIND[$1]} =~ ^(reload|check|syntax|service)$ ]]; } # STEP

# ---- Looking: what each step would find -----------------------------------------------------------------------

look() { # STEP; sets NOW, and VERDICT: made, todo, gone, unsafe or unexpected
    VERDICT=unexpected
    call now "$1"
    if [[ ${KIND[$1]} =~ ^(write|edit|mode|mount)$ ]] && ! trusted_path "${TARGET[$1]}" 0; then
        VERDICT=unsafe
        return 0
    fi
    call expect "$1"
    return 0
}

look_all() { # fills VERDICTS; 1 when a step cannot be made as planned
    local step files=made outcome=0
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && continue
        look "$step"
        VERDICTS[step]=$VERDICT
        case $VERDICT in
            todo) is_value "$step" || files=todo ;;
            unsafe) outcome=1 && say unsafe "$step" "${TARGET[step]}" "$REPLY" >&2 ;;
            unexpected)
                outcome=1
                say unexpected "$step" "${TARGET[step]}" "$NOW" "$(expected "$step")" "${OWNERS[step]}" >&2
                ;;
        esac
    done
    # Reloads and checks follow the files: with none to write there is nothing to reload.
    for ((step = 1; step <= STEPS; step++)); do is_action "$step" && VERDICTS[step]=$files; done
    return "$outcome"
}

expected() { # STEP; prints what the plan saw
    case ${KIND[$1]} in
        unit) printf 'disabled' ;;
        *) printf '%s' "${WAS[$1]}" ;;
    esac
}

nothing_to_do() {
    local step
    for ((step = 1; step <= STEPS; step++)); do [[ ${VERDICTS[step]} == todo ]] && return 1; done
    return 0
}

locks_out() { # 0 when a step that will be made could cut the way in
    local step
    for ((step = 1; step <= STEPS; step++)); do
        [[ ${VERDICTS[step]-} == todo ]] && has_flag "$step" can-lock-out && return 0
    done
    return 1
}

one_way_waits() { # 0 when a step waits for confirm
    local step
    for ((step = 1; step <= STEPS; step++)); do
        has_flag "$step" one-way && [[ ${VERDICTS[step]-} == todo ]] && return 0
    done
    return 1
}

position() { # STEP; sets POSITION to where the target stands: before, after, gone or other
    load_record "$1" || return 1
    call now "$1"
    POSITION=other
    if [[ $NOW == "$BEFORE" ]]; then
        POSITION=before
    elif [[ $NOW == "$AFTER" ]]; then
        POSITION=after
    elif [[ $NOW == absent ]] && is_value "$1"; then
        POSITION=gone
    elif call passes "$1"; then
        POSITION=after
    fi
}

stands() { # STEP; 0 when it was made, and no later step of the run changed the same file again
    local later
    [[ ${STEP_STATE[$1]-} == "done" ]] && ! is_action "$1" || return 1
    is_file "$1" || return 0
    for ((later = $1 + 1; later <= STEPS; later++)); do
        [[ ${STEP_STATE[later]-} == "done" && ${TARGET[later]} == "${TARGET[$1]}" ]] && is_file "$later" && return 1
    done
    return 0
}

in_place() { # STEP; also where before and after are the same
    position "$1" && [[ $POSITION == after || $NOW == "$AFTER" ]]
}

drifted() { # names every step that is not as the run left it; 0 when there is one
    local step outcome=1
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && continue
        has_flag "$step" one-way && continue
        if [[ ${STEP_STATE[step]-} == "done" ]]; then
            ! stands "$step" || in_place "$step" && continue
        else
            look "$step"
            [[ $VERDICT == made || $VERDICT == gone ]] && continue
        fi
        say drifted "$step" "${TARGET[step]}" "$NOW"
        outcome=0
    done
    return "$outcome"
}

# ---- Making ---------------------------------------------------------------------------------------------------

make_all() { # the steps of apply in their order; 1 at the first that fails
    local step
    # Forwarding resets other values: all of them are saved before the first is written.
    for ((step = 1; step <= STEPS; step++)); do
        if ! is_value "$step" || ! planned "$step"; then continue; fi
        call save "$step" </dev/null || failed "$step" || return 1
    done
    for ((step = 1; step <= STEPS; step++)); do
        planned "$step" || continue
        make_step "$step" </dev/null || failed "$step" || return 1
    done
    for ((step = 1; step <= STEPS; step++)); do
        ! stands "$step" || in_place "$step" || failed "$step" || return 1
    done
}

planned() { # STEP; also a value that is right by now: what is written before it may reset it
    has_flag "$1" one-way && return 1
    [[ ${VERDICTS[$1]} == todo || (${KIND[$1]} == sysctl && ${VERDICTS[$1]} == made) ]]
}

failed() { # STEP
    say step-failed "$1" "${TARGET[$1]}" >&2
    return 1
}

make_step() { # STEP
    local step=$1
    if [[ ${VERDICTS[step]} == made ]]; then
        look "$step"
        [[ $VERDICT == made ]] && return 0
    fi
    if ! is_value "$step" && ! is_action "$step"; then
        call save "$step" || return 1
    fi
    journal "$step" doing || return 1
    is_action "$step" || load_record "$step" || return 1
    call make "$step" || return 1
    if ! is_action "$step"; then
        in_place "$step" || return 1
    fi
    journal "$step" "done" || return 1
    say step-done "$step" "${TARGET[step]}"
}

make_one_way() { # what nothing can take back before a reboot; 1 when one fails
    local step outcome=0
    for ((step = 1; step <= STEPS; step++)); do
        has_flag "$step" one-way && [[ ${STEP_STATE[step]-} != irreversible ]] || continue
        look "$step"
        case $VERDICT in
            made) continue ;;
            gone) say key-gone "$step" "${TARGET[step]}" ;;
            todo) make_irreversible "$step" </dev/null || failed "$step" || outcome=1 ;;
            *)
                say unexpected "$step" "${TARGET[step]}" "$NOW" "$(expected "$step")" "${OWNERS[step]}" >&2
                outcome=1
                ;;
        esac
    done
    return "$outcome"
}

make_irreversible() { # STEP
    [[ -n ${STEP_STATE[$1]-} ]] || call save "$1" || return 1
    load_record "$1" && journal "$1" doing && call make "$1" || return 1
    in_place "$1" && journal "$1" irreversible || return 1
    say one-way-done "$1" "${TARGET[$1]}"
}

# ---- Undoing: nothing that fails stops the rest -----------------------------------------------------------------

undo_run() { # 0 when all is as before; CONFLICTS and FAILURES count what is not
    local step
    trap '' HUP INT TERM PIPE
    CONFLICTS=0 FAILURES=0 CUT=0
    # A value that was saved and not written yet may have been reset by one that was.
    [[ $RUN_STATE == applied || $RUN_STATE == kept ]] || CUT=1
    journal run rolling-back || say journal-failed >&2
    # Links first: what a unit is called cannot be asked once its file is gone.
    for ((step = STEPS; step >= 1; step--)); do [[ ${KIND[step]} == unit ]] && undo_step "$step"; done
    for ((step = STEPS; step >= 1; step--)); do is_file "$step" && undo_step "$step"; done
    undo_reload
    undo_values
    if ((CONFLICTS + FAILURES > 0)); then
        journal run partial || :
        return 1
    fi
    journal run rolled-back || return 1
    disarm
}

undo_reload() { # the manager reads again what it read after apply, once
    local step reloaded=no
    for ((step = 1; step <= STEPS; step++)); do
        is_action "$step" && [[ -n ${STEP_STATE[step]-} && ${STEP_STATE[step]} != undone ]] || continue
        if [[ ${KIND[step]} == reload && $reloaded == no ]]; then
            reload_now || undo_failed "$step" || continue
            reloaded=yes
        fi
        # At boot the services start after us, and read the files that we restored: none is touched.
        if [[ ${KIND[step]} == service && $AT_BOOT == 0 ]]; then
            service_now "$step" || undo_failed "$step" || continue
        fi
        journal "$step" undone || :
    done
}

undo_step() { # STEP
    begin_undo "$1" || return 0
    call restore "$1" </dev/null || undo_failed "$1" || return 0
    end_undo "$1"
}

undo_values() { # all are judged before the first is written, for one of them may reset others
    local step
    local -a begun=()
    for ((step = 1; step <= STEPS; step++)); do
        is_value "$step" && begin_undo "$step" && begun+=("$step")
    done
    for step in "${begun[@]}"; do
        load_record "$step"
        call now "$step"
        # A unit of which some links are gone may still be enabled by others.
        [[ $NOW == "$BEFORE" && ${KIND[step]} != off ]] || call restore "$step" </dev/null || :
    done
    for step in "${begun[@]}"; do end_undo "$step"; done
}

begin_undo() { # STEP; 0 when it is to be restored
    local step=$1 state=${STEP_STATE[$1]-}
    case $state in
        '' | undone) return 1 ;;
        irreversible) say needs-reboot "$step" "${TARGET[step]}" && return 1 ;;
        saved) is_value "$step" || return 1 ;;
    esac
    if is_file "$step"; then
        temporary "$step"
        rm -f -- "$REPLY" 2>/dev/null
    fi
    position "$step" || undo_failed "$step" || return 1
    case $POSITION in
        before)
            # A value is looked at again once those before it are written.
            if ! is_value "$step"; then
                remove_folders || undo_failed "$step" || return 1
                journal "$step" undone || :
                return 1
            fi
            ;;
        gone)
            say target-gone "$step" "${TARGET[step]}"
            journal "$step" undone || :
            return 1
            ;;
        other) may_replace "$step" "$state" || return 1 ;;
        after) [[ $state != saved || $CUT == 1 ]] || not_ours "$step" || return 1 ;;
    esac
    journal "$step" undoing || :
}

not_ours() { # STEP; a value that we never wrote, and that others changed since
    journal "$1" undone || :
    return 1
}

may_replace() { # STEP STATE; whether what stands there, which is neither before nor after, may go
    local step=$1 state=$2
    if is_value "$step"; then
        case $state in
            doing | undoing | undo-failed) return 0 ;;
            saved) if [[ $CUT == 1 ]]; then return 0; else not_ours "$step" || return 1; fi ;;
        esac
    fi
    if [[ -n ${FORCED[$step]-} ]] || { [[ $UNATTENDED == 1 ]] && has_flag "$step" can-lock-out; }; then
        set_aside "$step" && return 0
    fi
    CONFLICTS=$((CONFLICTS + 1))
    say conflict "$step" "${TARGET[step]}" "$NOW" "$AFTER" "$BEFORE"
    show_difference "$step"
    say conflict-force "$step"
    journal "$step" conflict || :
    return 1
}

set_aside() { # STEP; keeps what others put there beside our original
    local found
    numbered "$1"
    found=$REPLY.found
    if is_file "$1" && [[ $NOW != absent ]]; then
        rm -rf -- "$found" && cp -a -- "${TARGET[$1]}" "$found" 2>/dev/null || return 1
    else
        printf '%s\n' "$NOW" 2>/dev/null >"$found" || return 1
    fi
    flush "$found" && say set-aside "$1" "${TARGET[$1]}" "$found"
}

show_difference() { # STEP; what others changed in a file of ours
    is_file "$1" && [[ $NOW == file* ]] || return 0
    numbered "$1"
    diff -u -- "$REPLY.new" "${TARGET[$1]}" 2>/dev/null | show_lines
}

undo_failed() { # STEP
    FAILURES=$((FAILURES + 1))
    say undo-failed "$1" "${TARGET[$1]}" >&2
    journal "$1" undo-failed || :
    return 1
}

end_undo() { # STEP
    position "$1"
    if [[ $POSITION == before || $POSITION == gone ]]; then
        journal "$1" undone || :
        say step-undone "$1" "${TARGET[$1]}"
    else
        undo_failed "$1" || :
    fi
}

say_undone() { # all is as before, but for what no rollback can reach before a reboot
    local step
    for ((step = 1; step <= STEPS; step++)); do
        [[ ${STEP_STATE[step]-} == irreversible ]] || continue
        say undone-but
        return 0
    done
    say undone-all
    return 0
}

undo_status() { # the exit status that says how undoing ended
    ((FAILURES == 0)) || exit "$FAILED"
    ((CONFLICTS == 0)) || exit "$DRIFTED"
    [[ $RUN_STATE == rolled-back ]] || exit "$FAILED"
}

# ---- The confirm guard ----------------------------------------------------------------------------------------

armed() { [[ -e $RUN/armed ]]; }

arm() { # DEADLINE_SECONDS; 1 when the guard is not really watching
    local boot up
    read -r boot </proc/sys/kernel/random/boot_id || return 1
    read -r up _ </proc/uptime || return 1
    DEADLINE=$((${up%.*} + $1))
    printf '%s %s %s\n' "$DEADLINE" "$boot" "$([[ -d $BOOT_WANTS ]] && printf found || printf made)" \
        2>/dev/null >"$RUN/armed" && flush "$RUN/armed" "$RUN" || return 1
    write_boot_unit || return 1
    systemctl reset-failed -- "$GUARD" >/dev/null 2>&1 || :
    systemd-run --quiet --unit="$GUARD" --service-type=exec --property=Restart=on-failure \
        --property=RestartSec=1 --property=StartLimitIntervalSec=0 \
        --property=RestartPreventExitStatus="$DRIFTED" --description='hardentui: waits for confirm' \
        -- /bin/bash -p "$RUN/script.sh" guard "$DEADLINE" "$boot" >/dev/null 2>&1 || return 1
    systemctl is-active --quiet -- "$GUARD"
}

write_boot_unit() { # a reboot before confirm means not confirmed
    local temporary=${BOOT_UNIT%/*}/.hardentui-boot.tmp
    trusted_path "$BOOT_UNIT" 0 && [[ ! -L $BOOT_UNIT && ! -L $BOOT_WANTS ]] || return 1
    printf '%s\n' '[Unit]' 'Description=hardentui: takes back a run that nobody confirmed' \
        'DefaultDependencies=no' "RequiresMountsFor=$STATE" \
        'After=local-fs.target systemd-sysctl.service' \
        'Before=sysinit.target network-pre.target ssh.service sshd.service nftables.service firewalld.service' \
        'Conflicts=shutdown.target' 'Before=shutdown.target' "ConditionPathExists=$RUN/armed" \
        '[Service]' 'Type=oneshot' 'TimeoutStartSec=300' "ExecStart=/bin/bash -p $RUN/script.sh boot" \
        '[Install]' 'WantedBy=sysinit.target' 2>/dev/null >"$temporary" || return 1
    chmod 0644 -- "$temporary" && flush "$temporary" && mv -fT -- "$temporary" "$BOOT_UNIT" || return 1
    [[ -d $BOOT_WANTS ]] || mkdir -m 0755 -- "$BOOT_WANTS" || return 1
    ln -sfnT -- "$BOOT_UNIT" "$BOOT_WANTS/${BOOT_UNIT##*/}" || return 1
    flush "${BOOT_UNIT%/*}" "$BOOT_WANTS"
}

disarm() { # the run is over: neither the guard nor a boot takes anything back
    local folder=''
    armed || return 0
    read -r _ _ folder <"$RUN/armed" || :
    rm -f -- "$BOOT_WANTS/${BOOT_UNIT##*/}" "$BOOT_UNIT" || return 1
    [[ $folder != made ]] || rmdir -- "$BOOT_WANTS" 2>/dev/null || :
    flush "${BOOT_UNIT%/*}" || return 1
    rm -f -- "$RUN/armed" && flush "$RUN" || return 1
    [[ $UNATTENDED == 1 ]] || ! booted_systemd || systemctl stop -- "$GUARD" >/dev/null 2>&1 || :
}

process() { # PID; sets PARENT, TERMINAL (a device number) and STARTED (hundredths since boot)
    local text
    text=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # After the name in brackets, which may hold anything: state, parent, group, session, terminal ...
    [[ $text =~ ^.*\)\ [A-Za-z]\ ([0-9]+)\ -?[0-9]+\ -?[0-9]+\ (-?[0-9]+)(\ -?[0-9]+){14}\ ([0-9]+)\  ]] || return 1
    PARENT=${BASH_REMATCH[1]} TERMINAL=${BASH_REMATCH[2]} STARTED=${BASH_REMATCH[4]}
}

fresh_login() { # 0 when we come over an ssh connection that began after apply ended; else REPLY says why not
    local pid=$$ program applied=${APPLIED_UP/./}
    local PARENT TERMINAL STARTED
    REPLY=no-ssh
    while process "$pid"; do
        pid=$PARENT
        ((pid > 1)) || return 1
        program=$(readlink -- "/proc/$pid/exe" 2>/dev/null) || continue
        [[ ${program% (deleted)} =~ ^(/usr)?/(s?bin|lib[^/]*|libexec)/(.*/)?sshd(-session)?$ ]] || continue
        connection "$pid" || continue
        process "$pid" || return 1
        REPLY=old-login
        ((STARTED > 10#$applied)) || return 1
        REPLY="own-address"
        own_address "$PEER" && return 1
        return 0
    done
    return 1
}

connection() { # PID; sets PEER to the other end of a TCP connection that it owns
    local name peer state inode sockets
    sockets=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null)
    while read -r _ _ peer state _ _ _ _ _ inode _; do
        name="socket:[$inode]"
        [[ $state == 01 && $'\n'$sockets$'\n' == *$'\n'"$name"$'\n'* ]] || continue
        PEER=${peer%:*}
        # An IPv4 address that came in over an IPv6 socket.
        [[ ${#PEER} != 32 || $PEER != 0000000000000000FFFF0000* ]] || PEER=${PEER:24}
        return 0
    done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    return 1
}

own_address() { # ADDRESS, as /proc/net/tcp writes it; 0 when it is this host's own
    local line last='' hex
    [[ $1 != ??????7F && $1 != 00000000000000000000000001000000 ]] || return 0
    while read -r line; do
        if [[ $line =~ ([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]]; then
            printf -v last '%02X%02X%02X%02X' "${BASH_REMATCH[4]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
        fi
        [[ $line != *'host LOCAL'* || $last != "$1" ]] || return 0
    done < <(cat /proc/net/fib_trie 2>/dev/null)
    while read -r hex _; do
        [[ $hex =~ ^[0-9a-f]{32}$ ]] || continue
        hex=${hex^^}
        swap_words "$hex"
        [[ $REPLY != "$1" ]] || return 0
    done < <(cat /proc/net/if_inet6 2>/dev/null)
    return 1
}

swap_words() { # HEX; sets REPLY: the bytes of each word of 32 bits the other way round
    local hex=$1 word
    REPLY=''
    while [[ -n $hex ]]; do
        word=${hex:0:8}
        REPLY+=${word:6:2}${word:4:2}${word:2:2}${word:0:2}
        hex=${hex:8}
    done
}

on_console() { # the terminal is a screen or a serial line of the machine itself
    local PARENT TERMINAL STARTED major minor
    process $$ || return 1
    ((TERMINAL > 0)) || return 1
    major=$(((TERMINAL >> 8) & 0xfff)) minor=$((TERMINAL & 0xff))
    case $major in
        4) ((minor > 0)) ;;
        5) ((minor == 1)) ;;
        204 | 229) return 0 ;;
        *) return 1 ;;
    esac
}

# ---- Runs and the state folder --------------------------------------------------------------------------------

check_state() { # refuses a state folder that is not root's alone
    [[ -e $STATE || -L $STATE ]] || return 0
    trusted_path "$STATE" 0 || refuse untrusted-folder "$REPLY"
    [[ $(stat -c '%u %a %F' -- "$STATE" 2>/dev/null) == '0 700 directory' ]] || refuse untrusted-folder "$STATE"
}

find_runs() { # RUNS: newest first
    RUNS=()
    [[ -d $STATE/runs && $EUID == 0 ]] || return 0
    mapfile -t RUNS < <(find "$STATE/runs" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort -r)
}

standing_runs() { # RUNS: those that were not rolled back; leaves the newest one loaded
    local run
    local -a standing=()
    find_runs
    for run in "${RUNS[@]}"; do
        ended "$run" && continue
        load_journal "$run"
        [[ $RUN_STATE == rolled-back || $RUN_STATE == none ]] || standing+=("$run")
    done
    RUNS=("${standing[@]}")
    if [[ ${#RUNS[@]} == 0 ]]; then
        RUN='' RUN_STATE=none
    else
        load_journal "${RUNS[0]}"
    fi
}

is_ours() { cmp -s -- "$SELF" "$1/script.sh"; } # RUN

new_run() { # sets RUN: a folder of its own with root's copy of this script; 1 when it cannot be made
    local number=0 sum
    find_runs
    [[ ${#RUNS[@]} == 0 ]] || number=${RUNS[0]##*/} number=${number%%-*}
    [[ $number =~ ^[0-9]{1,6}$ ]] || return 1
    sum=$(sha256sum <"$SELF") || return 1
    printf -v RUN '%s/runs/%04d-%s' "$STATE" "$((10#$number + 1))" "${sum:0:12}"
    rm -rf -- "$STATE/.new" && mkdir -p -- "$STATE/runs" "$STATE/.new/before" 2>/dev/null || return 1
    cat -- "$SELF" 2>/dev/null >"$STATE/.new/script.sh" && cmp -s -- "$SELF" "$STATE/.new/script.sh" || return 1
    flush "$STATE/.new/script.sh" "$STATE/.new" && mv -T -- "$STATE/.new" "$RUN" && flush "$STATE/runs" "$STATE"
}

run_copy() { # VERB ARGUMENT...; goes on in root's own copy, which nobody else can change
    local sum
    sum=$(sha256sum <"$RUN/script.sh") || refuse unreadable "$RUN/script.sh"
    say running-copy "${sum%% *}" "$RUN/script.sh"
    exec /bin/bash -p -- "$RUN/script.sh" "$@"
}

lock() { # WAIT_OR_NOT; holds descriptor 9. Verbs run with "9<&-", so that nothing they start inherits it
    [[ -d $STATE ]] || mkdir -m 0700 -- "$STATE" 2>/dev/null || refuse no-state "$STATE"
    exec 9<"$STATE" || refuse no-state "$STATE"
    if [[ $1 == wait ]]; then
        flock 9 || exit "$LOCKED"
    elif ! flock -n 9; then
        say locked >&2
        exit "$LOCKED"
    fi
}

# ---- Verbs ----------------------------------------------------------------------------------------------------

help() {
    local verb
    for verb in usage usage-review usage-apply usage-confirm usage-rollback usage-status usage-exit; do say "$verb"; done
}

review() {
    local step i outcome=0
    say about "$HOST_NAME" "$STEPS"
    standing_runs
    for ((i = 0; i < ${#DECISION[@]}; i++)); do say decision "${DECISION[i]}" "${TITLE[i]}"; done
    look_all || outcome=$REFUSED
    for ((step = 1; step <= STEPS; step++)); do review_step "$step"; done
    for ((i = 0; i < ${#BY_HAND[@]}; i++)); do
        say by-hand
        printf '%s\n' "${BY_HAND[i]}" | show_lines
    done
    ! locks_out || say will-need-confirm
    return "$outcome"
}

review_step() { # STEP
    local step=$1
    case ${VERDICTS[step]} in
        made) say review-made "$step" "${TARGET[step]}" && return 0 ;;
        gone) say key-gone "$step" "${TARGET[step]}" && return 0 ;;
        unsafe | unexpected) return 0 ;;
    esac
    say review-todo "$step" "${TARGET[step]}" "${OWNERS[step]}"
    call now "$step"
    case ${KIND[step]} in
        write | edit)
            if [[ $NOW == absent ]]; then
                wanted_text "$step" | diff -u --label /dev/null --label "${TARGET[step]}" -- /dev/null - | show_lines
            else
                wanted_text "$step" | diff -u --label "${TARGET[step]}" --label "${TARGET[step]}" -- "${TARGET[step]}" - | show_lines
            fi
            ;;
        mount) say review-value "${NOW% *}" "+${SETS[step]}" ;;
        mode | sysctl | off) say review-value "$NOW" "${WANTED[step]}" ;;
        unit) say review-value "$NOW" enabled ;;
        reload) say review-reload ;;
        check) say review-check ;;
        syntax) say review-syntax "${TARGET[step]}" ;;
        service) say review-service "${TARGET[step]}" ;;
    esac
    ! has_flag "$step" one-way || say review-one-way
}

open_run() { # refuses when a run waits for its end
    [[ ${#RUNS[@]} == 0 || $RUN_STATE == kept ]] || refuse run-open "${RUN##*/}" "$RUN_STATE" "$RUN/script.sh"
}

prepare_apply() { # DEADLINE GUARDED; ends in root's copy of this script
    local run
    standing_runs
    for run in "${RUNS[@]}"; do
        is_ours "$run" || continue
        RUN=$run
        run_copy apply
    done
    open_run
    look_all || refuse nothing-done
    if nothing_to_do; then
        say nothing-to-do
        exit 0
    fi
    if locks_out && [[ $2 == yes ]] && ! booted_systemd; then refuse no-guard; fi
    if ! new_run; then
        rm -rf -- "$STATE/.new" 2>/dev/null
        refuse no-run "$STATE"
    fi
    if [[ $2 == yes ]]; then run_copy apply --deadline "$1"; else run_copy apply --deadline "$1" --without-guard; fi
}

apply() { # DEADLINE GUARDED; in root's copy
    local own=$RUN
    load_journal "$own"
    case $RUN_STATE in
        applied | kept) again ;;
        none) ;;
        *) refuse run-open "${RUN##*/}" "$RUN_STATE" "$RUN/script.sh" ;;
    esac
    standing_runs
    open_run
    load_journal "$own"
    look_all || refuse nothing-done
    begin_apply "$@"
    make_all || exit "$FAILED"
    if locks_out || one_way_waits; then
        journal run applied || exit "$FAILED"
        APPLYING=0
        ! one_way_waits || say applied-one-way
        if armed; then say applied-guarded "$(remaining)" "$RUN/script.sh"; else say applied "$RUN/script.sh"; fi
    else
        journal run kept || exit "$FAILED"
        APPLYING=0
        say kept
    fi
}

again() { # apply on top of what was applied changes nothing
    local pending=$RUN_STATE
    drifted && exit "$DRIFTED"
    say all-after
    [[ $pending == kept ]] || say waiting-confirm "$RUN/script.sh"
    exit 0
}

begin_apply() { # DEADLINE GUARDED; from here on, however we end, the journal decides what is undone
    journal run preparing || refuse no-run "$RUN"
    APPLYING=1
    trap 'exit "$FAILED"' HUP INT TERM
    trap finish EXIT
    if locks_out; then
        if [[ $2 != yes ]]; then
            say without-guard >&2
        elif ! arm "$1"; then
            say guard-failed >&2
            exit "$REFUSED"
        fi
    fi
    journal run applying || exit "$FAILED"
}

# shellcheck disable=SC2329 # a trap calls it
finish() { # at the end of apply, whatever ended it
    local outcome=$FAILED
    [[ $APPLYING == 1 && ($RUN_STATE == preparing || $RUN_STATE == applying) ]] || return 0
    # Before the first step nothing was changed: then it is a refusal.
    [[ $RUN_STATE == applying ]] || outcome=$REFUSED
    trap - EXIT
    say undoing >&2
    if undo_run; then say_undone >&2; else say undone-partly "$RUN/script.sh" >&2; fi
    exit "$outcome"
}

remaining() { # prints the seconds that are left to confirm
    local deadline up
    read -r deadline _ <"$RUN/armed" && read -r up _ </proc/uptime || return 0
    [[ $deadline =~ ^[1-9][0-9]{0,11}$ ]] && printf '%d' "$((deadline - ${up%.*}))"
}

confirm() { # CONSOLE
    local own=$RUN boot
    load_journal "$own"
    [[ $RUN_STATE == applied || $RUN_STATE == kept ]] || refuse not-applied "$RUN_STATE"
    if [[ $RUN_STATE == applied ]]; then
        read -r boot </proc/sys/kernel/random/boot_id
        [[ $boot == "$APPLIED_BOOT" ]] || refuse other-boot
        if armed; then
            if [[ $1 == yes ]]; then
                on_console || refuse no-console
            else
                fresh_login || refuse "$REPLY"
            fi
        fi
        journal run kept || exit "$FAILED"
    fi
    disarm || say disarm-failed "$RUN/armed" >&2
    standing_runs
    load_journal "$own"
    make_one_way || exit "$FAILED"
    say kept
}

rollback() {
    local own=$RUN
    standing_runs
    if [[ $RUN != "$own" ]]; then
        load_journal "$own"
        [[ $RUN_STATE != none && $RUN_STATE != rolled-back ]] || refuse not-applied "$RUN_STATE"
        refuse not-newest "${RUNS[0]##*/}" "${RUNS[0]}/script.sh"
    fi
    if undo_run; then say_undone; else say undone-partly "$RUN/script.sh" >&2; fi
    undo_status
}

guard() { # DEADLINE BOOT_ID
    local up boot
    read -r boot </proc/sys/kernel/random/boot_id
    [[ $boot == "$2" ]] || exit 0
    while read -r up _ </proc/uptime && ((${up%.*} < $1)); do sleep 1; done
    lock wait
    take_back 9<&-
}

boot() { # at boot, before the network: what nobody confirmed is taken back
    local armed_boot='' boot
    read -r boot </proc/sys/kernel/random/boot_id
    armed || exit 0
    read -r _ armed_boot _ <"$RUN/armed" || :
    [[ $boot != "$armed_boot" ]] || exit 0
    AT_BOOT=1
    lock wait
    take_back 9<&-
}

take_back() { # nobody is there: steps that can lock out are restored whatever stands there
    local try
    load_journal "$RUN"
    case $RUN_STATE in
        none | kept | rolled-back)
            disarm || exit "$FAILED"
            return 0
            ;;
    esac
    UNATTENDED=1
    for try in 1 2 3; do
        undo_run && alarm taken-back "$HOST_NAME" && return 0
        ((FAILURES > 0)) || break
        ((try == 3)) || sleep 2
    done
    ((FAILURES > 0)) || disarm
    alarm taken-back-partly "$HOST_NAME" "$RUN/script.sh"
    exit "$DRIFTED"
}

status() {
    local run step outcome=0
    find_runs
    [[ ${#RUNS[@]} != 0 ]] || say no-runs
    local -a all=("${RUNS[@]}")
    for run in "${all[@]}"; do
        if ended "$run"; then RUN_STATE=rolled-back; else load_journal "$run"; fi
        say run-state "${run##*/}" "$RUN_STATE"
    done
    for run in "${all[@]}"; do
        is_ours "$run" || continue
        load_journal "$run"
        say steps-of "${run##*/}"
        for ((step = 1; step <= STEPS; step++)); do status_step "$step" || outcome=$DRIFTED; done
        [[ $RUN_STATE != applied ]] || say waiting-confirm "$RUN/script.sh"
        [[ $RUN_STATE =~ ^(applied|kept|rolled-back)$ ]] || say waiting-rollback "$RUN/script.sh"
        return "$outcome"
    done
    say not-applied none
}

status_step() { # STEP; 1 when others changed what we made
    local step=$1 state=${STEP_STATE[$1]--}
    if stands "$step" && ! in_place "$step"; then
        say drifted "$step" "${TARGET[step]}" "$NOW"
        return 1
    fi
    if has_flag "$step" one-way && [[ $state == - ]]; then state=waiting; fi
    say step-state "$step" "$state" "${TARGET[step]}"
}

# ---- From the words on the command line to a verb ---------------------------------------------------------------

wrong_usage() {
    help >&2
    exit "$USAGE"
}

demand() { # GRAMMAR TEXT
    [[ $2 =~ $1 ]] || wrong_usage
}

check_host() {
    local id=''
    [[ ! -r /etc/machine-id ]] || read -r id </etc/machine-id
    [[ -n $MACHINE_ID && $id == "$MACHINE_ID" ]] || refuse wrong-host "$HOST_NAME"
}

check_script() { # nobody but root, or the person behind sudo, may be able to change what we run
    local line person=${SUDO_UID-0}
    [[ $EUID == 0 ]] || person=$EUID
    [[ $person =~ ^[0-9]{1,10}$ ]] || person=0
    trusted_path "$SELF" 0 "$person" || refuse untrusted-folder "$REPLY"
    line=$(stat -c '%u %A' -- "$SELF") || refuse unreadable "$SELF"
    [[ $line =~ ^(0|$person)\ -....[^w]..[^w].$ ]] || refuse untrusted-script "$SELF"
}

in_copy() { [[ $SELF =~ ^"$STATE"/runs/[0-9]{4,6}-[0-9a-f]{12}/script\.sh$ ]]; }

own_run() { # sets RUN to the newest run of this very script
    local run
    find_runs
    for run in "${RUNS[@]}"; do
        if is_ours "$run"; then
            RUN=$run
            return 0
        fi
    done
    standing_runs
    [[ ${#RUNS[@]} == 0 ]] || refuse other-script "${RUNS[0]##*/}" "${RUNS[0]}/script.sh"
    refuse not-applied none
}

verb_apply() { # OPTION...
    local deadline=120 guarded=yes
    while (($# > 0)); do
        case $1 in
            --deadline)
                demand '^[1-9][0-9]{1,3}$' "${2-}"
                deadline=$2
                ((deadline >= 30 && deadline <= 3600)) || wrong_usage
                shift
                ;;
            --without-guard) guarded=no ;;
            *) wrong_usage ;;
        esac
        shift
    done
    if in_copy; then
        lock now
        apply "$deadline" "$guarded" 9<&-
    else
        lock now
        prepare_apply "$deadline" "$guarded" 9<&-
    fi
}

verb_confirm() { # OPTION
    local console=no
    case $#:${1-} in
        0:) ;;
        1:--from-console) console=yes ;;
        *) wrong_usage ;;
    esac
    if in_copy; then
        lock now
        confirm "$console" 9<&-
    else
        own_run
        run_copy confirm "$@"
    fi
}

verb_rollback() { # OPTION...
    local -a words=("$@")
    while (($# > 0)); do
        [[ $1 == --force ]] || wrong_usage
        demand '^[1-9][0-9]{0,2}$' "${2-}"
        FORCED[$2]=yes
        shift 2
    done
    if in_copy; then
        lock now
        rollback 9<&-
    else
        own_run
        run_copy rollback "${words[@]}"
    fi
}

privileged() {
    [[ $EUID == 0 ]] || refuse not-root
}

main() {
    local verb=${1-review}
    (($# == 0)) || shift
    umask 077
    set -fu -o pipefail
    trap '' PIPE
    SELF=$(realpath -e -- "${BASH_SOURCE[0]}") || exit "$REFUSED"
    cd / || exit "$REFUSED"
    exec </dev/null
    about
    messages
    plan
    case $verb in
        help | --help | -h)
            help
            return 0
            ;;
        review | status) (($# == 0)) || wrong_usage ;;
        apply | confirm | rollback) ;;
        guard) demand '^[1-9][0-9]{0,11} [0-9a-f-]{36}$' "$*" ;;
        boot) (($# == 0)) || wrong_usage ;;
        *) wrong_usage ;;
    esac
    check_script
    check_host
    [[ $verb == review ]] || privileged
    [[ $EUID != 0 ]] || check_state
    ! in_copy || RUN=${SELF%/*}
    case $verb in
        review) review ;;
        status) status ;;
        apply) verb_apply "$@" ;;
        confirm) verb_confirm "$@" ;;
        rollback) verb_rollback "$@" ;;
        guard) in_copy && guard "$@" ;;
        boot) in_copy && boot ;;
    esac
}
