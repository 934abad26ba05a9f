// Keys and buttons become commands; everything else is Bokeh's. `command` and `keys` are given.
let n = 0
const send = (text) => { command.text = text + "#" + (++n) }
const help = document.getElementById("help")
const toggleHelp = () => help.open ? help.close() : help.showModal()
const isTyping = (target) =>
    ["TEXTAREA", "SELECT"].includes(target.tagName) ||
    (target.tagName == "INPUT" && !["checkbox", "range"].includes(target.type))

document.addEventListener("keydown", (event) => {
    const target = event.composedPath()[0]
    if (event.key == "Escape" && isTyping(target)) { target.blur(); return }
    if (isTyping(target) || event.altKey || event.metaKey && event.key != "z") return
    const key = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + event.key
    const found = keys instanceof Map ? keys.get(key) : keys[key]
    if (found == null || help.open && found != "help") return
    event.preventDefault()
    event.stopPropagation()
    if (target.blur && target.type == "checkbox") target.blur()
    if (found == "help") toggleHelp()
    else if (found == "note") document.querySelector("#note-place").dispatchEvent(new Event("wanted"))
    else send(found)
}, true)

document.addEventListener("click", (event) => {
    const asked = event.composedPath().find((node) => node.dataset && node.dataset.command)
    if (!asked || asked.disabled) return
    if (asked.dataset.command == "help") toggleHelp()
    else send(asked.dataset.command)
    if (asked.blur) asked.blur()
})
help.addEventListener("click", (event) => { if (event.target == help) help.close() })

// The note is in a shadow tree of Bokeh's.
document.querySelector("#note-place").addEventListener("wanted", (event) => {
    const find = (node) => {
        for (const child of node.querySelectorAll("*")) {
            if (child.tagName == "TEXTAREA") return child
            const found = child.shadowRoot && find(child.shadowRoot)
            if (found) return found
        }
        return null
    }
    const area = find(event.target)
    if (area) area.focus()
})

// The server says nothing any more when it was stopped or killed.
const watched = Bokeh.documents[0]
watched.on_event("connection_lost", () => document.body.classList.add("lost"))
document.body.classList.add("ready")
